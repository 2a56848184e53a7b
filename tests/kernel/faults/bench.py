"""Injects faults, one round after the other, into runs of the tool on one target, and judges each round."""

import functools
import os
import re
import shutil
import signal
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from tests.kernel.faults.fault import Expected, Fate, Fault, Result
from tests.kernel.faults.injection import Injector
from tests.kernel.faults.round import Round, Run
from tests.kernel.faults.subject import Subject
from tests.kernel.faults.ways import Way, best
from tests.kernel.harness import REPOSITORY, TIME_SCALE, WORK_LIMIT, workload
from tests.kernel.leftovers import BpfObject, Leftovers, Places, bpf_objects, held_back, name_of

_MARK = "EBPFTRACE_FAULTS"
# Of a cache: the folder, what was compiled, and the lines that were looked up, with what sqlite keeps beside.
_KEPT = re.compile(
    r"ebpftrace(/compiled(/[0-9a-f]{64}\.build)?|/lines-\d+\.sqlite(-wal|-shm|-journal)?)?"
)
_RECORDED = re.compile(r"snapshots(/.*)?")
_NOTHING = re.compile(r"(?!)")
_CLEAN_S = 15.0 * TIME_SCALE
"""Twenty-four perf events, each removed in 0.1 to 0.2 s, and some room."""
_LEAKED_S = 30.0 * TIME_SCALE
_UNDISTURBED = 3


Shape = tuple[int, int, Callable[[Path], Path] | None]
"""Of the target: threads that work, threads that sleep, what makes its program."""


class Folders:
    """Where the runs may write: their temporary files, their cache, and where they are started."""

    def __init__(self, folder: Path, more: Iterable[Path] = ()) -> None:
        self.tmp, self.cache, self.cwd = (folder / name for name in ("tmp", "cache", "cwd"))
        for each in (self.tmp, self.cache, self.cwd):
            each.mkdir()
        own = {self.tmp: _NOTHING, self.cache: _KEPT, self.cwd: _RECORDED}
        self.looked_at = Places({**own, **dict.fromkeys(more, _only(folder))})

    def forget_cache(self) -> None:
        """The next run compiles."""
        shutil.rmtree(self.cache, ignore_errors=True)
        self.cache.mkdir()

    def forget_lines(self) -> None:
        """The next run looks up lines in debug information."""
        for file in (self.cache / "ebpftrace").glob("lines-*"):
            file.unlink()

    def forget_recorded(self) -> None:
        shutil.rmtree(self.cwd / "snapshots", ignore_errors=True)


def _only(folder: Path) -> re.Pattern[str]:
    """What lies in the folder of the bench, and on the way to it."""
    return re.compile(rf"{re.escape(folder.name)}(/.*)?")


class Bench:
    """Use it as a context manager. One at a time in a process."""

    def __init__(self, folder: Path, seed: int, more: Iterable[Path] = ()) -> None:
        """`more`: directories that belong to the bench alone, in which nothing may be left."""
        self.seed = seed
        self.mark = f"{_MARK}={uuid.uuid4().hex}"
        self.places = Folders(folder, more)
        self._folder = folder / "round"
        self._subject: Subject | None = None
        self._shape: Shape | None = None
        self._speed = 0.0
        self._suspects: dict[BpfObject, str] = {}
        name, value = self.mark.split("=")
        self.environment = {
            **os.environ,
            name: value,
            "TMPDIR": str(self.places.tmp),
            "XDG_CACHE_HOME": str(self.places.cache),
            "PYTHONPATH": str(REPOSITORY),
        }

    def __enter__(self) -> "Bench":
        return self

    def __exit__(self, *unused: object) -> None:
        if self._subject is not None:
            self._subject.close()

    def leaked(self) -> list[str]:
        """A sentence for each BPF object that a round has left, and that nobody has open; waits for those that go."""
        end = time.monotonic() + _LEAKED_S
        while left := self._suspects.keys() & bpf_objects():
            if time.monotonic() > end:
                break
            time.sleep(0.1)
        found = [
            f"round {self._suspects[each]}: BPF {each[0]} {each[1]} ({name_of(each)}) is left"
            for each in left
        ]
        self._suspects.clear()
        return found

    def rounds(self, fault: Fault) -> int:
        """How many different ones there are of it."""
        return fault.rounds(self._round(fault, 0))

    def inject_one(self, fault: Fault, each: int, of: int) -> Result:
        """The round `each` of so many that are spread evenly over all that there are."""
        count = self.rounds(fault)
        return self.inject(fault, min(count - 1, each * count // of))

    def inject(self, fault: Fault, number: int) -> Result:
        """One round, and what came of it."""
        made = self._round(fault, number)
        before = Leftovers.before(self.mark, self.places.looked_at)
        try:
            met = fault.inject(made)
            findings = [each for run in made.runs for each in run.wait()]
            made.undo.close()
            return self._judged(made, fault.expected, before, met, findings)
        finally:
            made.undo.close()
            for run in made.runs:
                run.close()
            self.places.forget_recorded()

    @functools.cache  # noqa: B019 - there is one bench
    def calls(self, way: Way) -> list[str]:
        """The calls that such a run makes where nothing happens, in order."""
        folder = Path(tempfile.mkdtemp(dir=self._folder.parent))
        assert self._subject is not None
        injector = Injector(folder, self._subject.pid)
        self._alone(way, folder, injector.counting())
        lines = injector.calls()
        shutil.rmtree(folder)
        return lines

    @functools.cache  # noqa: B019
    def duration(self, way: Way) -> float:
        """Seconds that such a run takes where nothing happens; the middle one of three."""
        took = []
        for _ in range(_UNDISTURBED):
            folder = Path(tempfile.mkdtemp(dir=self._folder.parent))
            took.append(self._alone(way, folder, {}))
            shutil.rmtree(folder)
        return sorted(took)[_UNDISTURBED // 2]

    def _alone(self, way: Way, folder: Path, env: dict[str, str]) -> float:
        subject = self._subject
        assert subject is not None
        expected = Expected(frozenset({0}))
        command = way.command(subject.pid, self.places.cwd)
        environment = {**self.environment, **env}
        run = Run(way, command, folder / "run", expected, self.places.cwd, environment)
        try:
            if run.process.stdin:
                run.process.stdin.write(b"go\n")
                run.process.stdin.close()
            findings = run.wait() + run.ended().findings(expected)
            assert not findings, f"{way.name}, undisturbed: {findings}"
        finally:
            run.close()
            self.places.forget_recorded()
        return run.ended_at - run.began

    def _round(self, fault: Fault, number: int) -> Round:
        subject = self._ready_subject((fault.busy, fault.idle, fault.program))
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir()
        return Round(self, number, subject, self._folder, fault.expected)

    def _ready_subject(self, shape: Shape) -> Subject:
        """The one that is there, also after hundreds of faults, unless it has ended or is another one by now."""
        subject = self._subject
        if subject is None or not subject.runs() or self._shape != shape:
            if subject is not None:
                subject.close()
            busy, idle, program = shape
            made = None
            if program is not None:
                made = program(Path(tempfile.mkdtemp(dir=self._folder.parent, prefix="program")))
            subject = self._subject = Subject(busy, idle, made)
            self._shape, self._speed = shape, subject.speed()
        return subject

    def renew_subject(self) -> None:
        """The next round has another one."""
        self._shape = None

    def _judged(
        self,
        made: Round,
        expected: Expected,
        before: Leftovers,
        met: str,
        findings: list[str],
    ) -> Result:
        ended = [run.ended() for run in made.runs]
        findings += [
            each
            for run, end in zip(made.runs, ended, strict=True)
            for each in end.findings(run.expected)
        ]
        subject = made.subject
        speed, targets = 0.0, list[int]()
        if expected.fate == Fate.LIVES or (expected.fate == Fate.EITHER and subject.runs()):
            targets += subject.pids()
        left, took = before.after(targets, _CLEAN_S, _is_a_program)
        taken_out = bool(left) and expected.leaves_breakpoints and subject.runs()
        if taken_out:
            after = made.folder / "after"
            after.mkdir()
            self._alone(best(), after, {})
            left, _ = before.after(targets, _CLEAN_S, _is_a_program)
        findings += left
        self._suspects |= dict.fromkeys(before.objects_left(), f"{made.number}, {met}")
        if expected.fate == Fate.ENDS:
            subject.wait(WORK_LIMIT)
        elif subject.runs():
            speed = self._look_at(subject, findings)
        elif expected.fate == Fate.LIVES:
            findings.append(f"the target has ended: {subject.process.returncode}")
        for pid in filter(_is_a_program, made.ours()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        sentences = [end.last_words() for end in ended if end.status not in (0, -signal.SIGKILL)]
        return Result(
            met,
            tuple(end.status for end in ended),
            tuple(findings),
            tuple(sentence for sentence in sentences if sentence),
            speed,
            took,
            taken_out and not left,
        )

    def _look_at(self, subject: Subject, findings: list[str]) -> float:
        try:
            return subject.speed() / self._speed
        except AssertionError as error:
            findings.append(f"{error}; {held_back(subject.pid)}")
            self.renew_subject()
            return 0.0


def _is_a_program(pid: int) -> bool:
    """Is it what `run` has started?"""
    try:
        return os.readlink(f"/proc/{pid}/exe") == str(workload("subject"))
    except OSError:
        return False
