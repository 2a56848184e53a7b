"""Shells that complete as they do for people: what each offers, and what comes of carrying it out.

bash and zsh sit on a terminal of their own and are given keys; fish says by itself what it would offer.
`ebpftrace` is a function there, which writes its arguments down.
"""

import contextlib
import os
import pty
import select
import shlex
import shutil
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

COMPLETIONS = Path(__file__).parents[2] / "completions"

_LIMIT_S = 60.0  # a key is answered within milliseconds, or the shell hangs; machines may be slow
_INSERT_ALL = "\x1b*"
_WRITE_LINE = "\x18\x10"

_BASH = """
bind -x '"\\C-x\\C-p": printf "%s\\0" "$READLINE_LINE" >&{answers}'
ebpftrace() {{ printf '%s\\n' "$@" | tr '\\n' '\\1' >&{answers}; printf '\\0' >&{answers}; }}
source {completions}/ebpftrace.bash
"""

_ZSH = """
fpath=({completions} $fpath)
autoload -Uz compinit
compinit -u -D
write_line() {{ print -rn -- "$BUFFER" >&{answers}; print -n '\\0' >&{answers} }}
zle -N write_line
bindkey '^X^P' write_line
zle -C all-matches complete-word _generic
bindkey '^[*' all-matches
zstyle ':completion:all-matches:*' insert yes
zstyle ':completion:all-matches::::' completer _all_matches _complete
ebpftrace() {{ print -rn -- "${{(pj:\\1:)@}}" >&{answers}; print -n '\\0' >&{answers} }}
"""


def _environment(folder: Path, path: str | None) -> dict[str, str]:
    """Nothing of the user's; a terminal that is asked for nothing."""
    found = os.environ["PATH"] if path is None else path
    return {"PATH": found, "HOME": str(folder), "TERM": "dumb", "LC_ALL": "C.UTF-8"}


def _installed(name: str) -> str:
    found = shutil.which(name)
    assert found, f"{name} is not installed; scripts/setup --dev does it"
    return found


class Shell(ABC):
    """One that has read the completion, in `folder`, with the programs of `path` or else all of them."""

    @abstractmethod
    def offered(self, line: str) -> set[str]:
        """The words that it would put in the place of the last one."""

    @abstractmethod
    def carried_out(self, line: str) -> list[str]:
        """The arguments that `ebpftrace` gets when all that is offered has been put in, and run."""

    @abstractmethod
    def close(self) -> None:
        """End it."""


class _OnTerminal(Shell):
    """`command`, which is told `start` first."""

    def __init__(self, command: Sequence[str], start: str, folder: Path, path: str | None) -> None:
        self._master, slave = pty.openpty()
        self._answers, answers = os.pipe()
        self._said = b""
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            pass_fds=(answers,),
            start_new_session=True,
            env=_environment(folder, path),
        )
        os.close(slave)
        os.close(answers)
        file = folder / "start"
        file.write_text(start.format(answers=answers, completions=COMPLETIONS))
        self._press(f"source {shlex.quote(str(file))}\r")

    def offered(self, line: str) -> set[str]:
        head, blank, word = line.rpartition(" ")
        whole = self._line(line + _INSERT_ALL)
        assert whole.startswith(head + blank), f"{line!r} became {whole!r}"
        found = set(shlex.split(whole[len(head) + len(blank) :]))
        return set() if found == {word} else found

    def carried_out(self, line: str) -> list[str]:
        self._press(f"\x15{line}{_INSERT_ALL}\r")
        return self._answer().strip("\1").split("\1")

    def _line(self, keys: str) -> str:
        self._press(f"\x15{keys}{_WRITE_LINE}")
        return self._answer()

    def _press(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def _answer(self) -> str:
        """Up to a NUL."""
        found, end = b"", time.monotonic() + _LIMIT_S
        while not found.endswith(b"\0"):
            left = end - time.monotonic()
            assert left > 0, f"no answer; on the terminal: {self._said[-2000:]!r}"
            for ready in select.select([self._answers, self._master], [], [], left)[0]:
                with contextlib.suppress(OSError):
                    if ready == self._master:
                        self._said += os.read(ready, 1 << 16)
                    else:
                        found += os.read(ready, 1)
        return found.removesuffix(b"\0").decode()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._master)
        os.close(self._answers)


class Bash(_OnTerminal):
    """Without bash-completion or any other file."""

    def __init__(self, folder: Path, path: str | None = None) -> None:
        super().__init__([_installed("bash"), "--norc", "--noprofile", "-i"], _BASH, folder, path)


class Zsh(_OnTerminal):
    """With its own completion system, and no file of the user's."""

    def __init__(self, folder: Path, path: str | None = None) -> None:
        super().__init__([_installed("zsh"), "-f", "-i"], _ZSH, folder, path)


class Fish(Shell):
    """`complete --do-complete` is what it shows on the key."""

    def __init__(self, folder: Path, path: str | None = None) -> None:
        self._folder, self._path = folder, path

    def _run(self, script: str, *arguments: str) -> str:
        source = f"source {COMPLETIONS}/ebpftrace.fish; "
        command = [_installed("fish"), "--no-config", "-c", source + script, *arguments]
        done = subprocess.run(
            command,
            cwd=self._folder,
            env=_environment(self._folder, self._path),
            capture_output=True,
            text=True,
            check=True,
            timeout=_LIMIT_S,
        )
        assert not done.stderr, done.stderr
        return done.stdout

    def offered(self, line: str) -> set[str]:
        said = self._run('complete "-C$argv[1]"', line)
        return {row.partition("\t")[0] for row in said.splitlines()}

    def carried_out(self, line: str) -> list[str]:
        script = """
            function ebpftrace; printf '%s\\n' $argv; end
            set -l found (complete --escape "-C$argv[1]" | string replace --regex '\\t.*' '')
            eval "$argv[1] $found"
        """
        return self._run(script, line).splitlines()

    def close(self) -> None:
        """There is none that waits."""


SHELLS: tuple[type[Bash] | type[Zsh] | type[Fish], ...] = (Bash, Zsh, Fish)
