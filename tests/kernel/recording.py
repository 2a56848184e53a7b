"""One run of `ebpftrace record`, and what it has written."""

import signal
import time
from pathlib import Path

from ebpftrace.model.snapshot import Snapshot
from ebpftrace.snapshot.loading import load
from ebpftrace.snapshot.storage.folder import listed
from tests.kernel.harness import LEAVE_LIMIT, START_LIMIT, Tool, Workload


def files(folder: Path) -> list[Path]:
    """What is recorded there, by time."""
    return [Path(name) for name in listed(str(folder))] if folder.is_dir() else []


class Recording(Tool):
    """Into `folder`, past its first snapshot (so: armed)."""

    def __init__(
        self,
        *targets: Workload | int,
        folder: Path,
        options: tuple[object, ...] = (),
        every: str = "1h",
    ) -> None:
        self.folder = folder
        before = len(files(folder))
        often = ("-o", folder, "--every", every, "--interval", "100ms")
        super().__init__("record", targets, (*often, *options))
        try:
            self.until(lambda: len(files(folder)) > before, "first snapshot")
        except AssertionError:
            self.close()
            raise

    def __enter__(self) -> "Recording":
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def until(self, condition, what: str, limit: float = START_LIMIT) -> None:
        end = time.monotonic() + limit
        while not condition():
            if self.process.poll() is not None:
                raise AssertionError(
                    f"no {what}: ended ({self.process.returncode}): {self.stderr()}"
                )
            assert time.monotonic() < end, f"no {what} within {limit:.0f} s: {self.stderr()}"
            time.sleep(0.02)

    def until_kind(self, kind: str) -> Snapshot:
        """The first snapshot of that kind."""
        self.until(lambda: self._of_kind(kind), f"snapshot of kind {kind}")
        return load(str(self._of_kind(kind)[0]))

    def _of_kind(self, kind: str) -> list[Path]:
        return [path for path in files(self.folder) if path.stem.endswith(f"-{kind}")]

    def last(self) -> Snapshot:
        return load(str(files(self.folder)[-1]))

    def finish(self, by: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(by)
        return self.wait(LEAVE_LIMIT)
