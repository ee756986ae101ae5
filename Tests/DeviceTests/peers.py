"""All tests with peer devices, one after the other."""

import random

from cpus import CPUS
from hostpeer import HostPeer
from peercopies import PeerCopies
from peerhardware import devices
from peerkills import MEDIA, PeerKills
from peertally import PeerTallies
from peervalues import PeerContents, PeerDisk
from testbed import Testbed

# Those with one core: what is tested here does not depend on the processor, and a core of its own costs the host twice.
PROCESSORS = [cpu for cpu in CPUS if cpu.cores == 1]


def run_peers(testbed: Testbed, seed: str, cycles: int, tallies: PeerTallies) -> None:
    """Has each kind of peer move values, then kills processes and machines while they do. Makes the stores anew."""
    generator = random.Random(f"{seed}/peers")
    disk = PeerDisk(testbed.backing.path("peerdisk"), generator)
    stores = {store.medium.name: store for store in testbed.stores if store.medium.name in MEDIA}
    contents = {name: PeerContents() for name in MEDIA}
    with testbed.boot(PROCESSORS[0], MEDIA, devices(testbed.backing)) as machine:
        copies = PeerCopies(machine, disk, tallies, generator)
        for name, store in stores.items():
            store.create(machine)
            copies.disk_and_back(store, contents[name])
            copies.through_memory(store, contents[name])
        copies.edu(stores["ivshmem"], stores["pmr"], contents["ivshmem"], contents["pmr"])
        copies.edu(stores["pmr"], stores["ivshmem"], contents["pmr"], contents["ivshmem"])
        copies.host(stores["ivshmem"], contents["ivshmem"], HostPeer(testbed.backing.path("ivshmem")))
    PeerKills(testbed, disk, contents, tallies, seed, PROCESSORS).run(cycles)
