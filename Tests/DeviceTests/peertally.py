"""The counts of the tests with peer devices."""

from dataclasses import dataclass


@dataclass
class PeerTally:
    """What one kind of peer did, and what came of it."""

    transfers: int = 0
    payload_bytes: int = 0
    # Bytes of values that the program copied.
    copied_bytes: int = 0
    # Values that were compared with what the peer had; crashes of the store's process and of the machine while it wrote.
    compared: int = 0
    store_kills: int = 0
    machine_kills: int = 0
    # Places found in quarantine after these; those in which bytes still changed after the store was killed.
    quarantined: int = 0
    late: int = 0
    wrong: int = 0


class PeerTallies:
    """The counts of all kinds of peers, by their names."""

    def __init__(self) -> None:
        self._tallies: dict[str, PeerTally] = {}

    def __getitem__(self, name: str) -> PeerTally:
        return self._tallies.setdefault(name, PeerTally())

    @property
    def wrong(self) -> int:
        return sum(tally.wrong for tally in self._tallies.values())

    @property
    def table(self) -> str:
        titles = (
            "peer", "transfers", "bytes", "copied by the CPU", "values compared", "store killed", "machine killed",
            "quarantined", "late writes", "wrong")
        rows = [titles] + [
            (name, *(f"{value:,}" for value in (
                tally.transfers, tally.payload_bytes, tally.copied_bytes, tally.compared, tally.store_kills,
                tally.machine_kills, tally.quarantined, tally.late, tally.wrong)))
            for name, tally in self._tallies.items()]
        widths = [max(len(row[column]) for row in rows) for column in range(len(titles))]
        return "\n".join(
            "  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))])
            for row in rows)
