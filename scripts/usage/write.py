"""Writes the manual page and the completions: scripts/manual."""

import argparse
from pathlib import Path

from ebpftrace import __version__
from ebpftrace.cli.main import parser
from scripts.bench.command import run
from scripts.releasing.changelog import released_on
from scripts.usage import bash, fish, manual, zsh
from scripts.usage.grammar import read

ROOT = Path(__file__).parents[2]


def made() -> dict[str, str]:
    """The text of every file, by its path below the repository."""
    grammar = read(parser())
    day = released_on((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), __version__)
    return {
        "docs/ebpftrace.1": manual.page(grammar, day or ""),
        "completions/ebpftrace.bash": bash.script(grammar),
        "completions/_ebpftrace": zsh.script(grammar),
        "completions/ebpftrace.fish": fish.script(grammar),
    }


def main() -> int:
    given = argparse.ArgumentParser(prog="manual", description=__doc__)
    given.add_argument("--output", type=Path, default=ROOT, help="another folder")
    output = given.parse_args().output
    for name, text in made().items():
        path = output / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    run("manual", main)
