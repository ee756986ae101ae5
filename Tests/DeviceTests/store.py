"""A store in the guest, loaded there and checked against what was acknowledged."""

import json
from dataclasses import dataclass, field

from machine import DeviceTestError, Machine
from media import Medium
from workload import Contents, Load, acknowledged_count, judge, parse_dump


@dataclass
class Tally:
    """The counts of one medium."""

    checks: int = 0
    acknowledged: int = 0
    checked: int = 0
    lost: int = 0


@dataclass
class Store:
    """A store in the guest, and what is known of its contents."""

    medium: Medium
    tally: Tally = field(default_factory=Tally)
    contents: Contents = field(default_factory=dict)
    # What ran when the machine was killed, until it is checked.
    load: Load | None = None
    acknowledged: int = 0
    # Where, among what the medium's port has received, the load's acknowledgements begin.
    _mark: int = 0

    def prepare(self, machine: Machine) -> None:
        machine.check(self.medium.preparation)

    def create(self, machine: Machine) -> None:
        """Makes the store, in place of one that is there, and has it put, get and delete an entry."""
        address = self.medium.address
        self.contents = {}
        machine.check(f"kvcli create {address} {self.medium.creation} --force")
        machine.check(f"kvcli put {address} greeting hello")
        if (said := machine.check(f"kvcli get {address} greeting")) != "hello":
            raise DeviceTestError(f"{address}: get answers {said!r}")
        machine.check(f"kvcli delete {address} greeting")
        if machine.run(f"kvcli get {address} greeting").code != 1:
            raise DeviceTestError(f"{address}: a deleted key is there")
        self.info(machine)

    def info(self, machine: Machine) -> dict:
        """What `kvcli info` reports, which names the domain and level that the medium has, or this fails."""
        report = json.loads(machine.check(f"kvcli info {self.medium.address} --json"))
        expected = (self.medium.domain, self.medium.level)
        if (found := (report["domain"], report["level"])) != expected:
            raise DeviceTestError(f"{self.medium.address}: info says {found}, not {expected}")
        return report

    def start_load(self, machine: Machine, seed: str, group_size: int) -> None:
        """Has `kvcli load` store entries in the background, each group acknowledged through the medium's port."""
        name = self.medium.name
        self.load = Load(f"{seed}/{name}", group_size)
        self.acknowledged = 0
        self._mark = len(machine.ports[name].received())
        # Redirected before kvcli starts, or its port would be the commands' one.
        machine.check(
            f"rm -f /tmp/{name}.status; (kvcli load {self.medium.address} - --hex --batch {group_size} --acknowledge "
            f"<>/dev/ports/{name} >&0 2>/tmp/{name}.error; echo $? >/tmp/{name}.status) >/dev/null 2>&1 &")
        machine.ports[name].stream(self.load.lines())

    def has_acknowledged(self, machine: Machine) -> bool:
        return machine.ports[self.medium.name].wait_for(b"\n", 30, self._mark) is not None

    def wait_for_end(self, machine: Machine, timeout: float) -> int:
        """The exit code of the load, which ends by itself."""
        status = f"/tmp/{self.medium.name}.status"
        waits = f"for _ in $(seq {timeout * 50:.0f}); do [ -s {status} ] && break; usleep 20000; done; cat {status}"
        result = machine.run(waits, timeout + 30)
        if result.code != 0:
            raise DeviceTestError(f"{self.medium.address}: the load hangs\n{machine.run('ps; dmesg | tail').output}")
        return int(result.output)

    def load_error(self, machine: Machine) -> str:
        """What the load said on standard error."""
        return machine.run(f"cat /tmp/{self.medium.name}.error").output.strip()

    def note_acknowledged(self, machine: Machine) -> None:
        """Takes down what the load had acknowledged when it ended, or the machine was killed."""
        port = machine.ports[self.medium.name]
        self.acknowledged = acknowledged_count(port.received()[self._mark :])

    def check(self, machine: Machine) -> None:
        """Verifies the store, and compares all of it with what was acknowledged."""
        address = self.medium.address
        machine.check(f"kvcli verify {address}")
        found = parse_dump(machine.check(f"kvcli dump {address} --hex"))
        if self.load:
            self._judge(found)
        elif found != self.contents:
            raise DeviceTestError(f"{address}: contents differ without a load")
        report = self.info(machine)
        if report["freeBytes"] < report["capacityBytes"] / 2:
            self.create(machine)

    def _judge(self, found: Contents) -> None:
        assert self.load
        judgement = judge(self.contents, self.load, self.acknowledged, found)
        self.tally.checks += 1
        self.tally.acknowledged += self.acknowledged
        self.tally.checked += judgement.checked
        self.tally.lost += len(judgement.lost)
        if not judgement.is_right:
            raise DeviceTestError(
                f"{self.medium.address}: of {self.acknowledged} acknowledged writes {len(judgement.lost)} keys are lost, "
                f"{len(judgement.foreign)} are foreign, the group in flight is {'torn' if judgement.is_torn else 'whole'}; "
                f"first: {(judgement.lost + judgement.foreign)[:3]}")
        self.contents = found
        self.load = None
