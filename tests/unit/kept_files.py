"""Files of snapshots, as a recorder writes them, with names that sort by time."""

from datetime import datetime, timezone

from ebpftrace.snapshot.format.writing import StreamWriter, pieces
from ebpftrace.snapshot.storage import names

FIRST = names.stamp_of(datetime(2026, 11, 21, 3, 15, 0, tzinfo=timezone.utc))


def stamp(number):
    """The how many-th second after the first."""
    return FIRST + 1000 * number


def keep(folder, number, snapshot):
    """One file, as whole as a rename makes it; its path."""
    path = folder / names.of_snapshot(stamp(number), snapshot.trigger.kind)
    hidden = folder / f".tmp-{number}"
    hidden.write_bytes(b"".join(pieces(snapshot)))
    return hidden.rename(path)


class Stream:
    """A stream file that grows."""

    def __init__(self, folder, number):
        self.path = folder / names.of_stream(stamp(number))
        self.last = 0.0
        self._writer = StreamWriter()
        self.path.write_bytes(self._writer.start())

    def record(self, snapshot):
        self.last = snapshot.picture.since_attach_s
        return self._writer.record(snapshot)

    def add(self, snapshot):
        self.append(self.record(snapshot))

    def append(self, some):
        with self.path.open("ab") as out:
            out.write(some)
