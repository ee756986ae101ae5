"""A store in the guest, written to there and checked against what was acknowledged."""

import json
from dataclasses import dataclass, field

from judgement import Contents, parse_dump
from machine import DeviceTestError, Machine
from media import Medium
from workload import Workload


@dataclass
class Tally:
    """The counts of one medium."""

    # How often the store was compared with what was acknowledged.
    checks: int = 0
    # Writes, single or batches; keys of which something was acknowledged; those of which it was not there.
    acknowledged: int = 0
    checked: int = 0
    lost: int = 0


@dataclass
class Store:
    """A store in the guest, and what is known of its contents."""

    medium: Medium
    tally: Tally = field(default_factory=Tally)
    contents: Contents = field(default_factory=dict)
    # What writes to it, or did when the machine was killed, until that is checked; and what it has said.
    workload: Workload | None = None
    output: bytes = b""

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
        if self.medium.is_bar:
            self._expect_listed(machine)

    def _expect_listed(self, machine: Machine) -> None:
        """Fails unless `kvcli devices` lists the medium as ready, with the level that it has."""
        functions = json.loads(machine.check("kvcli devices --json"))["functions"]
        bars = [bar for function in functions for bar in function["bars"]]
        listed = {bar["storeAddress"]: (bar["verdict"], bar["bestLevel"]) for bar in bars}
        if (found := listed.get(self.medium.address)) != ("ready", self.medium.level):
            raise DeviceTestError(f"{self.medium.address}: kvcli devices says {found}")

    def info(self, machine: Machine) -> dict:
        """What `kvcli info` reports: the domain and level that the medium has, and why, or this fails."""
        report = json.loads(machine.check(f"kvcli info {self.medium.address} --json"))
        expected = (self.medium.domain, self.medium.level)
        if (found := (report["domain"], report["level"])) != expected:
            raise DeviceTestError(f"{self.medium.address}: info says {found}, not {expected}")
        if self.medium.reason not in report["reason"]:
            raise DeviceTestError(f"{self.medium.address}: info says {report['reason']!r}, not {self.medium.reason!r}")
        return report

    # MARK: Writing

    def start(self, workload: Workload, machine: Machine) -> None:
        """Has a program write in the background, with the medium's ports as its standard input and output: once a boot."""
        self.workload = workload
        name = self.medium.name
        # In a shell of its own, so that the status is written when the program ends, and the next command can come now.
        machine.check(
            f"({workload.command(self.medium.address)} </dev/ports/{name}-in >/dev/ports/{name}-out 2>/tmp/{name}.error; "
            f"echo $? >/tmp/{name}.status) >/dev/null 2>&1 &")
        machine.inputs[name].stream(workload.input())

    def wait_for_acknowledgement(self, machine: Machine) -> None:
        """Waits until something was acknowledged, or fails."""
        assert self.workload
        if not machine.outputs[self.medium.name].wait_for(self.workload.has_acknowledged, 30):
            raise DeviceTestError(f"{self.medium.address}: nothing is written: {self.error(machine)}")

    def has_ended(self, machine: Machine) -> bool:
        return machine.run(f"[ -s /tmp/{self.medium.name}.status ]").code == 0

    def wait_for_end(self, machine: Machine, timeout: float) -> int:
        """The exit code of the program that writes, which ends by itself, or this fails."""
        status = f"/tmp/{self.medium.name}.status"
        waits = f"for _ in $(seq {timeout * 50:.0f}); do [ -s {status} ] && break; usleep 20000; done; cat {status}"
        result = machine.run(waits, timeout + 30)
        if result.code != 0:
            raise DeviceTestError(f"{self.medium.address}: the writing hangs\n{machine.run('ps; dmesg | tail').output}")
        return int(result.output)

    def error(self, machine: Machine) -> str:
        """What the program that writes said on standard error."""
        return machine.run(f"cat /tmp/{self.medium.name}.error").output.strip()

    def note_output(self, machine: Machine) -> None:
        """Takes down what was acknowledged until the program ended, or the machine was killed."""
        self.output = machine.outputs[self.medium.name].contents()

    # MARK: Checking

    def check(self, machine: Machine) -> None:
        """Verifies the store, and compares all of it with what was acknowledged."""
        address = self.medium.address
        machine.check(f"kvcli verify {address}")
        found = parse_dump(machine.check(f"kvcli dump {address} --hex"))
        if self.workload:
            self._judge(found, self.workload)
        elif found != self.contents:
            raise DeviceTestError(f"{address}: it has changed, and nobody wrote")
        self.contents = found
        self.workload = None
        report = self.info(machine)
        if report["freeBytes"] < report["capacityBytes"] / 2:
            self.create(machine)

    def _judge(self, found: Contents, workload: Workload) -> None:
        judgement = workload.judge(self.contents, self.output, found)
        self.tally.checks += 1
        self.tally.acknowledged += judgement.acknowledged
        self.tally.checked += judgement.checked
        self.tally.lost += judgement.lost
        if judgement.findings:
            raise DeviceTestError(
                f"{self.medium.address}, {workload.name}: of {judgement.checked} acknowledged keys {judgement.lost} are lost; "
                + "; ".join(judgement.findings[:5]))
