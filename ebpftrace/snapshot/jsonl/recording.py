"""What `attach --json` wrote, as snapshots: what a line does not say is not known of them."""

from collections.abc import Callable

from ebpftrace.errors import UsageError
from ebpftrace.model.snapshot import Snapshot, Trigger
from ebpftrace.snapshot.jsonl.lines import Lines
from ebpftrace.snapshot.jsonl.recorded import GaveUp, NoJson, Reader
from ebpftrace.snapshot.values import Unfit
from ebpftrace.text import clean


class Recording:
    """Its pictures, as it is read: `next` one by one, or the `last` one alone.

    What cannot be read is a UsageError. `gives_up` is asked often, and then there is no next one.
    """

    def __init__(self, path: str, gives_up: Callable[[], bool] = lambda: False) -> None:
        self._path = clean(path)
        self._gives_up = gives_up
        self._notes: list[str] = []
        self._left_out = 0
        self._reader = Reader(gives_up)
        self._lines = Lines(path, gives_up)

    def next(self) -> Snapshot | None:
        """None at the end of the file; what follows a final picture is noted."""
        line = self._lines.next()
        if line is None:
            if self._lines.cut:
                self._note_cut()
            return None
        found = self._read(line, self._lines.number)
        if found is None:
            if not self._gives_up():
                self._note_cut()
        elif found.picture.final and self._lines.more():
            self._notes.append(
                f"{self._path} goes on after the final picture in line {self._lines.number}; "
                "what follows, of another watch perhaps, is not shown."
            )
        return found

    def skip(self, lines: int) -> None:
        """Read on behind so many lines."""
        while self._lines.number < lines and self._lines.next() is not None:
            pass

    def last(self) -> Snapshot | None:
        """Of all lines only the last whole one is decoded; None where there is none."""
        before: bytes | None = None
        last: bytes | None = None
        while (line := self._lines.next()) is not None:
            before, last = last, line
        if self._lines.cut:
            self._note_cut()
        if last is None:
            return None
        found = self._read(last, self._lines.number)
        if found is None:
            self._note_cut()
            found = None if before is None else self._read(before, self._lines.number - 1)
        return found

    def notes(self) -> tuple[str, ...]:
        """Sentences on what the recording, as far as it was read, does not hold."""
        if not self._left_out:
            return tuple(self._notes)
        left_out = (
            f"Up to {self._left_out} sites of a picture were not recorded, and are counted in its "
            "totals only: --top 0 records all of them."
        )
        return (left_out, *self._notes)

    def close(self) -> None:
        self._lines.close()

    def _read(self, line: bytes, number: int) -> Snapshot | None:
        """None where the caller gave up, or the line was cut at the end of the file."""
        try:
            recorded = self._reader.read(line)
        except GaveUp:
            return None
        except NoJson as error:
            if self._lines.unended and number == self._lines.number:
                return None
            raise self._unfit(error, number) from error
        except Unfit as error:
            raise self._unfit(error, number) from error
        self._left_out = max(self._left_out, recorded.left_out)
        kind = "final" if recorded.picture.final else "interval"
        return Snapshot(
            recorded.picture, Trigger(kind, "It was recorded by attach --json."), "", ""
        )

    def _note_cut(self) -> None:
        self._notes.append(
            f"The end of {self._path} is missing, and its last line not whole. The picture before "
            "it is shown as the final one."
        )

    def _unfit(self, error: Unfit, number: int) -> UsageError:
        return UsageError(
            f"{self._path}, line {number}, is no picture: {error}. "
            "Give a file that this version's ebpftrace attach --json wrote, as it was written."
        )
