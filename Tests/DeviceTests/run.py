"""All device tests, one after the other, and their counts."""

import time

from testbed import Testbed
from cpus import CPUS
from cycles import KillLoop
from faults import FAULTS, run_fault
from peers import run_peers
from peertally import PeerTallies
from trace import run_trace


# What a run is made of.
PARTS = ["kills", "faults", "trace", "peers"]


class Run:
    """One run of the device tests."""

    def __init__(self, testbed: Testbed, seed: str):
        self.testbed = testbed
        self._seed = seed
        self._loop = KillLoop(testbed, CPUS, seed)
        self._faults = 0
        self._peers = PeerTallies()
        self._started = time.monotonic()

    def some(self, parts: list[str], cycles: int, peer_cycles: int) -> None:
        """The parts that are named, in the one order that they have."""
        if "kills" in parts:
            print("killed under load:", flush=True)
            self._loop.run(cycles)
        if "faults" in parts:
            print("faults under load:", flush=True)
            self._make_faults()
        if "trace" in parts:
            print("traced by QEMU:", flush=True)
            self._trace_barriers()
        # Last: it leaves the stores with contents that the other parts do not know.
        if "peers" in parts:
            print("values moved by devices:", flush=True)
            run_peers(self.testbed, self._seed, peer_cycles, self._peers)

    def _make_faults(self) -> None:
        """Makes each fault that the media permit, on a machine of its own."""
        stores = {store.medium.name: store for store in self.testbed.stores}
        for fault in FAULTS:
            if fault.medium in stores:
                with self.testbed.boot(CPUS[0]) as machine:
                    run_fault(machine, stores[fault.medium], fault, self._seed)
                self._faults += 1

    def _trace_barriers(self) -> None:
        """Counts what reaches the bus, where there is a Persistent Memory Region."""
        for store in self.testbed.stores:
            if store.medium.domain == "pmrStatusRead":
                with self.testbed.boot(CPUS[-1]) as machine:
                    run_trace(machine, store)

    @property
    def summary(self) -> str:
        lines = ["", "medium   checks  writes acknowledged  acknowledged keys checked  lost"]
        tallies = [store.tally for store in self.testbed.stores]
        for store in self.testbed.stores:
            tally = store.tally
            lines.append(
                f"{store.medium.name:8} {tally.checks:6}  {tally.acknowledged:19,}  {tally.checked:25,}  {tally.lost:4}")
        by_cpu = "; ".join(f"{name} {count}" for name, count in self._loop.cycles_by_cpu.items())
        lines.append(f"cycles by processor: {by_cpu}")
        lines.append(
            f"{self._loop.cycles} cycles, {self._faults} faults under load, "
            f"{sum(tally.checked for tally in tallies):,} acknowledged keys checked, "
            f"{sum(tally.lost for tally in tallies)} lost, in {time.monotonic() - self._started:.0f} s")
        return "\n".join([*lines, "", self._peers.table])
