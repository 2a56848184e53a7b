"""The manual page and the completions of an environment, as man and the shells find them."""

import shutil
from pathlib import Path

from scripts.releasing.contents import SHARED
from scripts.releasing.environment import Environment, Failed
from scripts.releasing.table import Table

_PAGE = SHARED["docs/ebpftrace.1"]
_BASH = SHARED["completions/ebpftrace.bash"]
_ZSH = SHARED["completions/_ebpftrace"]
_FISH = SHARED["completions/ebpftrace.fish"]
_UNDATED = "missing date"


def check(table: Table, subject: str, environment: Environment, *, released: bool) -> None:
    """`released`: a page before a release has no day."""
    page = environment.folder / _PAGE

    def shown() -> str:
        # man looks beside the folders of PATH.
        text = environment.output(
            ["man", "ebpftrace"], variables={"MANPAGER": "cat", "MANWIDTH": "80"}
        )
        if "EXIT STATUS" not in text or "--follow" not in text:
            raise Failed("man ebpftrace shows something else")
        return f"man ebpftrace shows {len(text.splitlines())} lines"

    def linted() -> str:
        said = environment.ended(["mandoc", "-T", "lint", page]).stdout.splitlines()
        wrong = [line for line in said if released or _UNDATED not in line]
        if wrong:
            raise Failed(wrong[0])
        return "mandoc -T lint has nothing to say"

    def formatted() -> str:
        done = environment.ended(["groff", "-man", "-ww", "-z", "-T", "utf8", page])
        if done.returncode or done.stderr:
            raise Failed(done.stderr.strip() or f"groff ended with {done.returncode}")
        return "groff -man -ww has nothing to say"

    def shell(name: str, script: str, file: str, wanted: str) -> str:
        path = environment.folder / file
        said = environment.output([name, "-c", script, name, path]).split()
        if wanted not in said:
            raise Failed(f"{name} does not complete: {said[:5]}")
        return Path(file).name

    looks = {
        ("man", "manual page is found"): shown,
        ("mandoc", "manual page is clean"): linted,
        ("groff", "manual page is formatted"): formatted,
        ("bash", "bash completes"): lambda: shell("bash", _IN_BASH, _BASH, "diff"),
        ("zsh", "zsh takes the completion"): lambda: shell("zsh", _IN_ZSH, _ZSH, "_ebpftrace"),
        ("fish", "fish completes"): lambda: shell("fish", _IN_FISH, _FISH, "diff"),
    }
    for (program, what), look in looks.items():
        if shutil.which(program) is None:
            table.leave_out(subject, what, f"{program} is not installed")
        else:
            table.check(subject, what, look)


_IN_BASH = """
source "$1"
COMP_WORDS=(ebpftrace di) COMP_CWORD=1 COMP_LINE='ebpftrace di'
_ebpftrace
echo "${COMPREPLY[@]}"
"""
_IN_ZSH = """
fpath=("${1:h}" $fpath)
autoload -Uz compinit
compinit -u -D
echo $_comps[ebpftrace]
"""
_IN_FISH = "source $argv[2]; complete -C 'ebpftrace di'"
