"""A launched program, watched to its end: what is written meanwhile, at the end, and the exit status."""

import argparse
import logging
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from ebpftrace import shortage
from ebpftrace.analysis.exiting import AtExit, at_exit
from ebpftrace.analysis.history import History
from ebpftrace.analysis.suppressions import Suppressions
from ebpftrace.cli import dashboard
from ebpftrace.cli.capture import capture_options, leave
from ebpftrace.cli.captured import Captured
from ebpftrace.cli.common import listed, note, selection
from ebpftrace.cli.exits import Exit
from ebpftrace.cli.forwarding import Forwarding
from ebpftrace.cli.opening import Opening, Told
from ebpftrace.cli.outputs import Outputs
from ebpftrace.cli.saying import OutputClosed, told
from ebpftrace.cli.streams import mute
from ebpftrace.cli.watch import Limits, guarded, watch
from ebpftrace.errors import CannotAttach, TargetGone, UsageError
from ebpftrace.export import exit_json, exit_text, jsonl, mtrace, text
from ebpftrace.model.picture import Picture
from ebpftrace.model.snapshot import Trigger
from ebpftrace.session.preparation import Preparation, prepare
from ebpftrace.session.session import Session
from ebpftrace.session.taking import taken
from ebpftrace.session.tracing import LogText, TraceLog
from ebpftrace.session.wanted import Wanted
from ebpftrace.target.launching import Launch
from ebpftrace.text import clean
from ebpftrace.units import format_bytes, format_count

log = logging.getLogger(__name__)

_LOG_TEXT = LogText(mtrace.START, mtrace.END, mtrace.Lines, mtrace.remark)


class Running:
    """Of one `Launch`. What fails while the program runs is said, and is no reason to leave it alone."""

    def __init__(
        self,
        given: argparse.Namespace,
        launch: Launch,
        signals: Forwarding,
        outputs: Outputs,
        suppressions: Suppressions | None,
    ) -> None:
        self._given = given
        self._launch = launch
        self._signals = signals
        self._outputs = outputs
        self._chosen = selection(given, listed(given), suppressions)
        self._history = History()
        self._failed = self._let_go = False
        self._trace: TraceLog | None = None

    def status(self, captured: Captured | None) -> int:
        """Watch it, `captured` in the dashboard; the exit status of the command."""
        options = replace(
            capture_options(self._given, wanted=Wanted(follow=self._given.follow)),
            facts=self._given.save is not None,
            trace_log=self._given.trace_log is not None,
            dashboard=captured is not None,
        )
        prepared = prepare(options)
        try:
            found = (
                self._headless(prepared)
                if captured is None
                else self._on_screen(prepared, captured)
            )
        except TargetGone as error:
            if not self._launch.ended():
                raise
            note(str(error))
            return self._judged(None, self._launch.wait() or 0)
        except Exception as error:
            lacking = shortage.told(error)
            if lacking is None or not self._let_go:
                raise
            note(f"{' '.join(lacking)} The program goes on, and is not watched any more.")
            found = None
        status = self._launch.wait(lambda: self._signals.stopped)
        if status is None:
            return 128 + self._signals.number
        return Exit.USAGE if self._failed else self._judged(found, status)

    def _opened(self, prepared: Preparation, warn: Told, step: Told) -> Session:
        """A session on the program; where there is none it is ended."""
        try:
            session = Session.open([], prepared, warn, step, launch=self._launch)
        except TargetGone:
            self._launch.close(kill=True)
            raise
        except CannotAttach as error:
            self._launch.close(kill=True)
            raise CannotAttach(f"{error} It was ended before it had run anything.") from error
        except BaseException:
            self._launch.close(kill=True)
            raise
        self._let_go = True
        if self._given.trace_log is not None:
            self._trace = TraceLog(session.calls, _LOG_TEXT, self._outputs.trace_log)
        return session

    def _headless(self, prepared: Preparation) -> AtExit:
        session = self._opened(prepared, note, lambda _: None)
        try:
            for line in session.notes():
                note(line)
            with self._going_on():
                limits = Limits(self._given.duration, self._given.count)
                watch(
                    session,
                    guarded(self._form()),
                    lambda picture: bool(picture.sites),
                    limits,
                    self._signals,
                )
            return self._ending(session)
        finally:
            self._finish_log(session)
            leave(session)

    def _on_screen(self, prepared: Preparation, captured: Captured) -> AtExit | None:
        """None where it was left before there was a picture."""
        opening = Opening(
            clean(self._launch.command[0]),
            lambda warn, step: self._opened(prepared, warn, step),
            prepared.interrupt,
        )
        try:
            dashboard.load()
            limits = Limits(self._given.duration, self._given.count)
            chosen = replace(self._chosen, top=self._given.top or 0)
            dashboard.show(
                opening, chosen, self._given.interval, limits, self._signals, lambda _: True
            )
            with self._going_on():
                captured.show()
            session = opening.session
            if session is None:
                return None
            if not self._launch.ended():
                note("the program is told to end: SIGTERM.")
                self._launch.send(signal.SIGTERM)
            return self._ending(session)
        finally:
            if opening.session is not None:
                self._finish_log(opening.session)
            leave(opening)

    def _form(self) -> Callable[[Picture], None]:
        """What is written every interval."""
        if self._given.json:
            return lambda picture: jsonl.write(picture, self._chosen, self._outputs.report)
        if self._given.text:
            return lambda picture: text.write(picture, self._chosen, self._outputs.report)
        return self._history.add

    def _ending(self, session: Session) -> AtExit:
        """Stop the watch, say and keep what there is then."""
        final = session.stop()
        self._finish_log(session)
        self._history.add(final)
        children, from_start = session.launched()
        found = at_exit(final, self._chosen, self._given.threshold, from_start=from_start)
        with self._going_on():
            self._report(final, found, children)
        with self._going_on():
            self._save(session, final, found)
        return found

    def _report(self, final: Picture, found: AtExit, children: int) -> None:
        out = self._outputs.report
        with told():
            if self._given.json:
                jsonl.write(final, self._chosen, out)
                command = [clean(word) for word in self._launch.command]
                jsonl.emit(exit_json.as_object(found, command, children), out)
            else:
                text.emit(exit_text.lines(found, self._chosen, children), out)

    def _save(self, session: Session, final: Picture, found: AtExit) -> None:
        if self._outputs.save is None:
            return
        # Not at the top: msgpack and zstandard are for those who write a file.
        from ebpftrace.snapshot.format.writing import pieces

        kind = "end" if found.known else "final"
        why = Trigger(kind, f"{exit_text.ending(found)}.")
        snapshot = taken(session, final, why, self._history.points)
        size = self._outputs.save.write(lambda out: out.writelines(pieces(snapshot)))
        if size is not None:
            note(f"saved to {clean(self._outputs.save.said)}, {format_bytes(size)}")

    def _finish_log(self, session: Session) -> None:
        """Write what has come, after the session's `stop`; once."""
        trace, self._trace = self._trace, None
        if trace is None:
            return
        session.stop()
        logged = trace.finish()
        self._failed = self._failed or logged.unwritten > 0
        lost = f", {format_count(logged.lost)} lost" if logged.lost else ""
        note(f"{format_count(logged.calls)} calls in {clean(self._given.trace_log)}{lost}")

    @contextmanager
    def _going_on(self) -> Iterator[None]:
        """What cannot be written is said, and makes the status; the program goes on."""
        try:
            yield
        except OutputClosed:
            mute(sys.stdout)
        except UsageError as error:
            note(str(error))
            self._failed = True

    def _judged(self, found: AtExit | None, status: int) -> int:
        """The exit status, with the reason where it is not the program's."""
        wanted = self._given.error_exitcode
        if wanted is None:
            return status
        if found is None or not found.known:
            note("what it held at its exit is not known, so this is no check that was passed.")
            return Exit.CANNOT_ATTACH
        if found.too_much:
            note(
                f"{format_bytes(found.unsuppressed_bytes)} in use at exit: more than --threshold "
                f"{format_bytes(found.threshold)}."
            )
            return int(wanted)
        if found.hidden_by:
            lost = ", ".join(f"{name} {count}" for name, count in found.hidden_by.items())
            note(
                f"more may have been in use than was counted ({lost}; the report says what to do), so "
                "this is no check that was passed."
            )
            return Exit.CANNOT_ATTACH
        return status
