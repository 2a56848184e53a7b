"""An environment of its own into which a wheel is installed as a user does it, and commands run in it."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from scripts.releasing.pythons import Python

_INSTALL_S = 900.0
_COMMAND_S = 180.0
_SYSTEM = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MOST_SAID = 300


class Failed(Exception):
    """A check failed; the reason is a sentence."""


class Environment:
    """`folder` becomes a venv of `python`; home, caches and current directory are beside it.

    Nothing of the user's environment is in it but what pip needs to find packages.
    """

    def __init__(self, python: Python, folder: Path) -> None:
        self.folder = folder
        self.home = folder.with_name(f"{folder.name}-home")
        self.home.mkdir(parents=True)
        self.output([python.executable, "-m", "venv", folder], limit_s=_INSTALL_S)

    def install(self, wheel: Path, constraints: Sequence[str] = ()) -> None:
        """The wheel and what it requires. Failed."""
        file = self.home / "constraints"
        file.write_text("\n".join(constraints))
        pip = [
            self.program("pip"),
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-input",
        ]
        variables = {
            k: v for k, v in os.environ.items() if k.startswith("PIP_") or "proxy" in k.lower()
        }
        for name, value in (
            ("HOME", Path.home()),
            ("XDG_CACHE_HOME", os.environ.get("XDG_CACHE_HOME")),
        ):
            if value is not None:
                variables[name] = str(value)
        self.output([*pip, "-c", file, wheel], variables=variables, limit_s=_INSTALL_S)

    def program(self, name: str) -> str:
        """The path of a program of this environment."""
        return str(self.folder / "bin" / name)

    def tool(self, *words: object) -> list[str]:
        """The command that runs ebpftrace with these."""
        return [self.program("ebpftrace"), *map(str, words)]

    def variables(self) -> dict[str, str]:
        return {
            "PATH": f"{self.folder / 'bin'}:{_SYSTEM}",
            "HOME": str(self.home),
            "XDG_CACHE_HOME": str(self.home / ".cache"),
            "LC_ALL": "C.UTF-8",
            "TERM": "dumb",
        }

    def ended(
        self,
        command: Sequence[str | Path],
        *,
        variables: dict[str, str] | None = None,
        limit_s: float = _COMMAND_S,
    ) -> subprocess.CompletedProcess[str]:
        """Run it to its end, whatever that is. Failed where none comes."""
        try:
            return subprocess.run(
                command,
                cwd=self.home,
                env={**self.variables(), **(variables or {})},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=limit_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"{_said(command)} has not ended after {limit_s:.0f} s") from None

    def output(
        self,
        command: Sequence[str | Path],
        *,
        status: int = 0,
        variables: dict[str, str] | None = None,
        limit_s: float = _COMMAND_S,
    ) -> str:
        """What it writes to stdout. Failed where it ends with another status, with the end of stderr."""
        done = self.ended(command, variables=variables, limit_s=limit_s)
        if done.returncode != status:
            words = " ".join((done.stderr or done.stdout).split())[-_MOST_SAID:]
            raise Failed(
                f"{_said(command)} ended with {done.returncode}: {words or 'nothing said'}"
            )
        return done.stdout


def _said(command: Sequence[str | Path]) -> str:
    return " ".join(map(str, (Path(command[0]).name, *command[1:4])))
