"""A recorder with a scripted source, a folder of a list, and a clock of its own."""

from collections.abc import Callable

from ebpftrace.model.picture import Picture
from ebpftrace.model.snapshot import Trigger
from ebpftrace.recorder.alarms import Alarm, Alarms
from ebpftrace.recorder.recorder import Kept, Outcome, Plan, Recorder
from ebpftrace.recorder.waiting import Seen
from ebpftrace.snapshot.storage.folder import NotWritten
from tests.unit.builders import picture, target


class Bench:
    """A recorder whose seconds pass when it waits; `then` says what comes at which second.

    `kept`: of each snapshot its kind, sentence, and the second of its picture. Snapshots whose number
    is in `full` are not written.
    """

    def __init__(self, alarms: list[Alarm] | None = None, **plan: float) -> None:
        self.now = 0.0
        self.told: list[str] = []
        self.kept: list[tuple[str, str, float]] = []
        self.points: list[int] = []
        self.full: set[int] = set()
        self.targets = [target()]
        self.script: list[tuple[float, Callable[[], Seen | None]]] = []
        self.final: Picture | None = None
        self.hangs = False
        self.asked_to_draw: list[float] = []
        self.watch, self.anew_at = "one", 0.0
        self.tries = 0
        self.recorder = Recorder(
            *(self, self, Alarms(alarms or [], self.told.append), self.wait),
            Plan(**{"every": 60.0, "duration": 200.0, **plan}),  # type: ignore[arg-type]
            tell=self.told.append,
            clock=lambda: self.now,
        )

    def at(self, second: float, does: Callable[[], Seen | None]) -> "Bench":
        self.script.append((second, does))
        return self

    def fires(self, second: float, *triggers: Trigger) -> "Bench":
        return self.at(second, lambda: Seen(fired=triggers))

    def comes(self, second: float, **given) -> "Bench":
        """A picture of the interval."""
        return self.at(second, lambda: Seen(self.drawn(**given)))

    def ends(
        self, second: float, *numbers: int, final: bool = False, by: str = "SIGKILL"
    ) -> "Bench":
        """These targets, and a picture of it."""

        def end() -> Seen:
            for number in numbers:
                gone = self.targets[number]
                self.targets[number] = target(
                    pid=gone.pid, comm=gone.comm, ended="exited", ended_by=by
                )
            return Seen(self.drawn(final=final))

        return self.at(second, end)

    def drawn(self, *, final: bool = False, rss: int | None = None) -> Picture:
        targets = tuple(self.targets) if rss is None else (target(rss_bytes=rss),)
        now = self.now - self.anew_at
        made = picture(since_attach_s=now, watch=self.watch, targets=targets, final=final)
        if final:
            self.final = made
        return made

    def begins_anew(self, watch: str, ago: float = 0.0) -> None:
        """Pictures are of another watch, from `ago` seconds before now on."""
        self.watch, self.anew_at = watch, self.now - ago

    def run(self) -> Outcome:
        return self.recorder.run()

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _, _ in self.kept]

    # --- what the recorder is given -----------------------------------------------------------------

    def wait(self, timeout: float) -> Seen:
        assert timeout < 1e6, "it would wait for ever"
        until = self.now + max(timeout, 0.0)
        if self.script and self.script[0][0] <= until:
            second, does = self.script.pop(0)
            self.now = max(self.now, second)
            return does() or Seen()
        self.now = until
        return Seen()

    def after(self, seen, timeout):
        raise AssertionError("pictures come through wait")

    def refresh(self, timeout: float) -> Picture | None:
        self.asked_to_draw.append(self.now)
        if self.hangs:
            self.now += timeout
            return None
        self.now += 0.01
        return self.final or self.drawn()

    def stop(self) -> Picture:
        self.now += 0.01
        return self.final or self.drawn(final=True)

    def keep(self, shown, trigger, history) -> Kept:
        self.tries += 1
        if self.tries in self.full:
            raise NotWritten("No space left on device.")
        self.kept.append((trigger.kind, trigger.sentence, shown.since_attach_s))
        self.points.append(len(history))
        return Kept(f"{len(self.kept)}-{trigger.kind}.ebpftrace", 2048)
