"""One program under `ebpftrace run` and under Valgrind, with everything around it the same."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.running import surroundings
from scripts.running.heap_use import HeapUse, Unreadable, of_ebpftrace, of_valgrind
from scripts.running.surroundings import VALGRIND, WITHOUT_RANDOM_ADDRESSES

_LIMIT_S = 120.0
_TOOL = (
    *(sys.executable, "-m", "ebpftrace", "run", "--json", "--no-dwarf", "--top", "1", "--force"),
    *("--max-blocks", "1000000"),
)


@dataclass(frozen=True, slots=True)
class Bench:
    """`folder` is where programs run; logs go to `logs`; environments as `surroundings` has them."""

    folder: Path
    logs: Path
    valgrind: Mapping[str, str]
    stand_ins: Mapping[str, str]

    @classmethod
    def in_folder(cls, root: Path) -> "Bench":
        folder, logs = root / "work", root / "logs"
        folder.mkdir()
        logs.mkdir()
        given = surroundings.given()
        stand_ins = surroundings.with_stand_ins(surroundings.under_valgrind(folder), root)
        return cls(folder, logs, given, stand_ins)

    def bare(self, command: Sequence[str]) -> None:
        """Once without anybody, so that what a first run leaves behind is there for all others."""
        self._run([*WITHOUT_RANDOM_ADDRESSES, *command], self.stand_ins)

    def by_valgrind(self, command: Sequence[str]) -> HeapUse:
        """Unreadable."""
        log = self.logs / "valgrind"
        self._run(
            [*WITHOUT_RANDOM_ADDRESSES, *VALGRIND, f"--log-file={log}", *command], self.valgrind
        )
        return of_valgrind(log.read_text(errors="replace"))

    def by_ebpftrace(self, command: Sequence[str]) -> HeapUse:
        """Unreadable."""
        return self._by_ebpftrace(command, self.stand_ins)

    def without_room(self, command: Sequence[str]) -> HeapUse:
        """By ebpftrace, over an allocator that rounds no size up; Unreadable."""
        return self._by_ebpftrace(command, surroundings.without_room(self.stand_ins))

    def _by_ebpftrace(self, command: Sequence[str], environment: Mapping[str, str]) -> HeapUse:
        out = self.logs / "ebpftrace"
        self._run([*WITHOUT_RANDOM_ADDRESSES, *_TOOL, "-o", str(out), "--", *command], environment)
        return of_ebpftrace(out.read_text())

    def _run(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Output to a file: a pipe, a terminal and a file each get another buffer of stdio."""
        with (self.logs / "output").open("wb") as out, (self.logs / "errors").open("wb") as errors:
            try:
                done = subprocess.run(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=errors,
                    cwd=self.folder,
                    env={**environment},
                    timeout=_LIMIT_S,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                raise Unreadable(f"{command[0]} has not ended after {_LIMIT_S:.0f} s.") from None
        if done.returncode:
            said = (self.logs / "errors").read_text(errors="replace").strip()[-300:]
            raise Unreadable(f"{' '.join(command)[-80:]} ended with {done.returncode}: {said}")
