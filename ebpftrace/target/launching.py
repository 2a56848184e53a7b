"""A command that is started for us to watch: a child that waits before its exec, and becomes it.

Owns the child: its start, its exec, and its end. Leaves to `session` what is done between.
"""

import contextlib
import ctypes
import errno
import os
import pwd
import select
import signal
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn, final

from ebpftrace.errors import CannotAttach, UsageError
from ebpftrace.model.ids import Pid
from ebpftrace.text import clean

# What Python ignores, and an exec would keep so.
_RESTORED = (signal.SIGPIPE, signal.SIGXFSZ)
# What ends us by an exception; the child it is to end as any program.
_OURS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_CAPABILITIES = "security.capability"
_NOT_EXECUTED = 127
_PR_SET_PDEATHSIG = 1
_LOOK_MS = 200


@final
class Launch:
    """Start it from the main thread, before any other thread runs and before anything is opened."""

    def __init__(
        self,
        command: Sequence[str],
        replaced: Mapping[int, int] | None = None,
        user: str | None = None,
    ) -> None:
        """The child waits from now on. `replaced`: its descriptors that are to be copies of ours.

        `user`: whose rights it has, by name. UsageError where there is no such command or user;
        CannotAttach where it may not be traced.
        """
        given = None if user is None else _user(user)
        self.command = tuple(command)
        self.path = _found(command[0])
        _check(self.path)
        self.status: int | None = None
        """As of wait(2), once `wait` has returned."""
        prctl = ctypes.CDLL(None).prctl
        gate, self._gate = os.pipe()
        self._told, telling = os.pipe()
        try:
            self.pid = Pid(os.fork())
        except OSError as error:
            raise CannotAttach(f"No process can be started: {error.strerror}.") from error
        if self.pid == 0:
            os.close(self._gate)
            self._become(gate, telling, replaced or {}, given, prctl)
        os.close(gate)
        os.close(telling)
        self._pidfd = os.pidfd_open(self.pid)

    def _become(
        self,
        gate: int,
        telling: int,
        replaced: Mapping[int, int],
        user: pwd.struct_passwd | None,
        prctl: Callable[..., int],
    ) -> NoReturn:
        """The child. It ends with its maker, as long as it is not another program."""
        try:
            for number in _OURS:
                if signal.getsignal(number) != signal.SIG_IGN:  # as a shell starts a job with &
                    signal.signal(number, signal.SIG_DFL)
            for number in _RESTORED:
                signal.signal(number, signal.SIG_DFL)
            if os.read(gate, 1):
                for own, given in replaced.items():
                    os.dup2(given, own)
                if user is not None:
                    os.initgroups(user.pw_name, user.pw_gid)
                    os.setgid(user.pw_gid)
                    os.setuid(user.pw_uid)
                # Stopped for us it would stay so: an end of ours is to be its going on.
                prctl(_PR_SET_PDEATHSIG, signal.SIGCONT, 0, 0, 0)
                os.execv(self.path, self.command)  # noqa: S606 - what the user has asked for
        except OSError as error:
            os.write(telling, str(error.errno or errno.EIO).encode())
        finally:
            os._exit(_NOT_EXECUTED)

    def go(self) -> None:
        """Execute the command. UsageError where the kernel refuses that.

        A child that was ended while it waited is no error here: `ended` says so.
        """
        with contextlib.suppress(BrokenPipeError):
            os.write(self._gate, b"!")
        told = os.read(self._told, 16)  # its end: it closes at the exec
        if told:
            self.wait()
            raise UsageError(_refused(self.command[0], int(told)))

    def resume(self) -> None:
        """Let it go on where it was stopped."""
        self.send(signal.SIGCONT)

    def send(self, number: int) -> None:
        """A signal, unless it has ended."""
        if self.status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait(self, given_up: Callable[[], bool] = lambda: False) -> int | None:
        """Until it ends; its exit status, 128 + the signal that ended it. None if `given_up` before."""
        while not self.ended():
            if given_up():
                return None
            waiting = select.poll()
            waiting.register(self._pidfd, select.POLLIN)
            waiting.poll(_LOOK_MS)
        assert self.status is not None, "it has ended"
        code = os.waitstatus_to_exitcode(self.status)
        return code if code >= 0 else 128 - code

    def ended(self) -> bool:
        """Has it? Then `wait` does not."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = status
        return self.status is not None

    def close(self, *, kill: bool = False) -> None:
        """Give up the pipes; a child that was not told to go ends. `kill` ends it in any case."""
        if kill:
            self.send(signal.SIGKILL)
            self.wait()
        for fd in (self._gate, self._told, self._pidfd):
            with contextlib.suppress(OSError):
                os.close(fd)
        self._gate = self._told = self._pidfd = -1


def _user(name: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(name)
    except (KeyError, ValueError) as error:
        raise UsageError(f"There is no user {clean(name)}.") from error


def _found(name: str) -> str:
    """By PATH, as execvp(3) and with its errors: one that may not be executed counts last."""
    if not name:
        raise UsageError("The command has no name.")
    if "/" in name:
        return name
    reason = errno.ENOENT
    for folder in os.get_exec_path():
        path = str(Path(folder or ".") / name)
        if os.path.isfile(path):  # noqa: PTH113 - no error where the folder is not to be read
            if os.access(path, os.X_OK):
                return path
            reason = errno.EACCES
    raise UsageError(_refused(name, reason))


def _check(path: str) -> None:
    """Of what is privileged by its file we are not to know what it does."""
    try:
        status = os.stat(path)
    except OSError as error:
        raise UsageError(_refused(path, error.errno or errno.EIO)) from error
    if stat.S_ISDIR(status.st_mode):
        raise UsageError(_refused(path, errno.EISDIR))
    if not os.access(path, os.X_OK):
        raise UsageError(_refused(path, errno.EACCES))
    bits = [("setuid", stat.S_ISUID), ("setgid", stat.S_ISGID)]
    special = [word for word, bit in bits if status.st_mode & bit]
    with contextlib.suppress(OSError):  # no such attribute, or no such file system
        special += ["with file capabilities"] if os.getxattr(path, _CAPABILITIES) else []
    if special:
        raise CannotAttach(
            f"{clean(path)} is {' and '.join(special)}: started under watch it would not run as it "
            "does for its users. Start it by itself and attach to it with -p PID."
        )


def _refused(name: str, number: int) -> str:
    said = f"{clean(name)} cannot be executed: {os.strerror(number)}"
    if number == errno.ENOEXEC:
        said += " (a script needs #! and its interpreter in its first line)"
    return f"{said}."
