"""A GPU writes values into a store in place while the processor writes others, and reads them in place.

For each value: a reservation; the GPU writes, all of it at once or first a part; meanwhile a loader puts entries into the
same store, and is killed now and then; then the commit, with or without a checksum, or the reservation is given up. What
was committed has to be read back by the processor and by the GPU, what was refused must have changed nothing, and all
lines that the loaders acknowledged have to be there at the end.
"""

import argparse
import filecmp
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path


class Failure(Exception):
    """Something is not as it has to be."""


class Peer:
    """The process that drives the GPU."""

    def __init__(self, program: str, store: Path):
        self._process = subprocess.Popen(
            [program, store], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.name = self._answer("peer")
        self.base = int(self._answer("base"), 16)

    def _answer(self, word: str) -> str:
        line = self._process.stdout.readline().rstrip("\n")
        first, _, rest = line.partition(" ")
        if first != word:
            raise Failure(f"the peer answers “{line}”, not {word}")
        return rest

    def _ask(self, question: str, word: str) -> str:
        self._process.stdin.write(question + "\n")
        return self._answer(word)

    def write(self, offset: int, length: int, seed: int, how: str, up_to: int) -> None:
        self._ask(f"write {offset} {length} {seed} {how} {up_to}", "done")

    def differing(self, offset: int, length: int, seed: int) -> int:
        return int(self._ask(f"check {offset} {length} {seed}", "differ"))

    def expect(self, length: int, seed: int, path: Path) -> str:
        return self._ask(f"expect {length} {seed} {path}", "crc")

    def close(self) -> None:
        self._process.stdin.close()
        if self._process.wait() != 0:
            raise Failure("the peer failed")


class Test:
    """The store, what was put into it, and what came of it."""

    def __init__(self, arguments: argparse.Namespace, directory: Path):
        self._kvcli = arguments.kvcli
        self._random = random.Random(arguments.seed)
        self._directory = directory
        self.store = Path(arguments.directory) / f"barkv-gpu-{arguments.seed}.kv"
        self._kv("create", self.store, "--size", "512MiB", "--force")
        self._peer = Peer(arguments.peer, self.store)
        print(f"peer: {self._peer.name}", flush=True)
        self._committed: dict[str, tuple[int, int]] = {}
        self._lines = 0
        self._acknowledged: dict[int, int] = {}
        self.tally = dict.fromkeys(
            ("values", "bytes", "by stores", "by engine", "late", "refused", "given up", "loaders killed"), 0
        )

    def _kv(self, *arguments, code: int = 0) -> str:
        words = [str(word) for word in arguments]
        result = subprocess.run([self._kvcli, *words], capture_output=True, text=True)
        if result.returncode != code:
            raise Failure(f"kvcli {' '.join(words)}: status {result.returncode}, not {code}: {result.stderr}")
        return result.stdout

    def _start_loader(self) -> tuple[subprocess.Popen, int]:
        """A process that puts entries until it is done or killed."""
        self._lines += 1
        number, entries = self._lines, self._random.choice((2_000, 20_000, 100_000))
        text = self._directory / "lines.tsv"
        text.write_text("".join(f"line/{number}/{entry}\t{number * entry}\n" for entry in range(entries)))
        loader = subprocess.Popen(
            [self._kvcli, "load", self.store, text, "--batch", "50", "--acknowledge"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        # It has the store by its first acknowledgement.
        self._acknowledged[number] = int(loader.stdout.readline())
        return loader, number

    def _end_loader(self, loader: subprocess.Popen, number: int) -> None:
        if self._random.random() < 0.5:
            time.sleep(self._random.random() * 0.02)
            loader.send_signal(signal.SIGKILL)
        rest, _ = loader.communicate()
        if loader.returncode == -signal.SIGKILL:
            self.tally["loaders killed"] += 1
        elif loader.returncode != 0:
            raise Failure(f"the loader ends with {loader.returncode}")
        # The last line may be torn where it was killed.
        for line in rest.splitlines(keepends=True):
            if line.endswith("\n"):
                self._acknowledged[number] = int(line)

    def round(self, number: int) -> None:
        """One reservation, from its beginning to its end."""
        choose = self._random
        key = f"frame/{choose.randrange(12)}"
        length = choose.choice((choose.randrange(1, 200), choose.randrange(1, 70_000), choose.randrange(1, 8 << 20)))
        seed = choose.randrange(1, 1 << 32)
        how = choose.choice(("stores", "engine"))
        reserved = json.loads(
            self._kv("peer", "reserve", self.store, key, length, "--address-base", f"{self._peer.base:x}", "--json")
        )
        token, offset = reserved["token"], reserved["offset"]
        if int(reserved["address"], 16) != self._peer.base + offset:
            raise Failure(f"the address is {reserved['address']}, the base {self._peer.base:x}, the offset {offset}")
        expected = self._directory / "expected"
        checksum = self._peer.expect(length, seed, expected)
        loader = self._start_loader() if choose.random() < 0.6 else None
        is_late = length > 8 and choose.random() < 0.3
        self._peer.write(offset, length, seed, how, choose.randrange(length) if is_late else length)
        if loader:
            self._end_loader(*loader)
        if is_late:
            # The value is not all there, so it must not become one.
            self._kv(
                "peer", "commit", self.store, token, "--checksum", checksum, "--timeout", 20, code=74
            )
            self._has(key)
            self._peer.write(offset, length, seed, how, length)
            self.tally["late"] += 1
        if choose.random() < 0.15:
            self._kv("peer", "abandon", self.store, token)
            self._has(key)
            self.tally["given up"] += 1
            return
        if choose.random() < 0.3:
            wrong = f"{int(checksum, 16) ^ 1:08x}"
            self._kv("peer", "commit", self.store, token, "--checksum", wrong, "--timeout", 0, code=74)
            self._has(key)
            self.tally["refused"] += 1
        proof = ("--checksum", checksum) if choose.random() < 0.5 else ()
        self._kv("peer", "commit", self.store, token, *proof)
        self._kv("peer", "commit", self.store, token, *proof, code=1)
        self._committed[key] = (length, seed)
        self._has(key)
        differing = self._peer.differing(offset, length, seed)
        if differing:
            raise Failure(f"the GPU reads {differing} wrong bytes of {length} at {offset}")
        self.tally["values"] += 1
        self.tally["bytes"] += length
        self.tally["by " + how] += 1

    def _has(self, key: str) -> None:
        """Whether the store has what was committed last."""
        found, expected = self._directory / "found", self._directory / "committed"
        if key not in self._committed:
            self._kv("exists", self.store, key, code=1)
            return
        with found.open("wb") as file:
            subprocess.run([self._kvcli, "get", str(self.store), key], stdout=file, check=True)
        self._peer.expect(*self._committed[key], expected)
        if not filecmp.cmp(found, expected, shallow=False):
            raise Failure(f"{key} is not what was committed")

    def judge(self) -> int:
        """Looks at all that has to be there; how many lines that is."""
        for key in self._committed:
            self._has(key)
        self._kv("verify", self.store)
        lines = {}
        for line in self._kv("dump", self.store, "--format", "tsv").splitlines():
            key, _, value = line.partition("\t")
            if key.startswith("line/"):
                lines[key] = value
        for number, count in self._acknowledged.items():
            for entry in range(count):
                if lines.get(f"line/{number}/{entry}") != str(number * entry):
                    raise Failure(f"line {entry} of loader {number} was acknowledged and is not there")
        if json.loads(self._kv("peer", "list", self.store, "--json"))["reservations"]:
            raise Failure("a reservation is left")
        self._peer.close()
        return sum(self._acknowledged.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, prog="gpu")
    parser.add_argument("--kvcli", required=True)
    parser.add_argument("--peer", required=True, help="the program that drives the GPU")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**9)
    parser.add_argument("--directory", default="/dev/shm", help="where the store is")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    directory = Path(tempfile.mkdtemp(prefix="barkv-gpu."))
    test = None
    begun = time.monotonic()
    try:
        test = Test(arguments, directory)
        for number in range(arguments.rounds):
            test.round(number)
        lines = test.judge()
    except Failure as failure:
        print(f"FAILED, seed {arguments.seed}: {failure}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(directory)
        if test:
            test.store.unlink(missing_ok=True)
    figures = ", ".join(f"{count} {name}" for name, count in test.tally.items())
    print(f"passed: {figures}; {lines} lines acknowledged, all there; {time.monotonic() - begun:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
