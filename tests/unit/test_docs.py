"""README.md and docs/ lead to what exists: links, commands and their options, scripts, losses."""

import argparse
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from ebpftrace.cli.main import parser
from ebpftrace.model.losses import LOSSES

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
INDEX = DOCS / "README.md"
MOST_LINES = 400

FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
COMMAND = re.compile(r"\bebpftrace +([a-z]+)\b(.*)")
END_OF_COMMAND = re.compile(r" -- |[|;#>()]|&&")
OPTION = re.compile(r"(?<!\S)--?[a-zA-Z][\w-]*")
SCRIPT = re.compile(r"\bscripts/([\w-]+)")
OF_OTHERS = frozenset(
    {
        *("--privileged", "--pid", "--cap-add"),  # docker
        *("-fasynchronous-unwind-tables", "-fno-asynchronous-unwind-tables"),  # compilers
        *("-mbranch-protection", "-XX"),  # compilers, java
        *("--quick", "--check"),  # our scripts
    }
)
"""Options in inline code that are another program's."""


def options_by_command() -> dict[str, frozenset[str]]:
    (commands,) = (
        action for action in parser()._actions if isinstance(action, argparse._SubParsersAction)
    )
    return {
        name: frozenset(string for action in sub._actions for string in action.option_strings)
        for name, sub in commands.choices.items()
    }


KNOWN = options_by_command()


def prose(text: str) -> str:
    """Without blocks of code."""
    return FENCED.sub("", text)


def code(text: str) -> Iterator[str]:
    """Blocks of code with continued lines joined, and inline code."""
    for block in FENCED.findall(text):
        yield block.replace("\\\n", " ")
    yield from INLINE.findall(prose(text))


def anchors(text: str) -> set[str]:
    """As GitHub makes them of headings."""
    met: Counter[str] = Counter()
    found = set()
    for heading in HEADING.findall(prose(text)):
        plain = LINK.sub("]", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).strip().replace(" ", "-")
        found.add(f"{slug}-{met[slug]}" if met[slug] else slug)
        met[slug] += 1
    return found


def broken_links(page: Path, text: str) -> list[str]:
    broken = []
    for target in LINK.findall(INLINE.sub("", prose(text))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        there = file.exists() and file.is_relative_to(ROOT)
        if there and anchor:
            there = anchor in anchors(text if file == page else file.read_text())
        if not there:
            broken.append(target)
    return broken


def unknown_words(text: str) -> list[str]:
    """Commands of ebpftrace that there are not, and options that their command does not have."""
    unknown = []
    for piece in code(text):
        for name, rest in COMMAND.findall(piece):
            if name not in KNOWN:
                unknown.append(name)
                continue
            given = END_OF_COMMAND.split(f" {rest} ", maxsplit=1)[0]
            unknown += [f"{name} {one}" for one in OPTION.findall(given) if one not in KNOWN[name]]
    every = OF_OTHERS.union(*KNOWN.values())
    alone = (piece for piece in INLINE.findall(prose(text)) if piece.startswith("-"))
    return unknown + [one for piece in alone for one in OPTION.findall(piece) if one not in every]


def missing_scripts(text: str) -> list[str]:
    return [name for name in SCRIPT.findall(text) if not (ROOT / "scripts" / name).exists()]


def rows(text: str) -> set[str]:
    """What stands in code in the first column of tables."""
    return set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
class TestPage:
    def test_every_link_leads_to_a_file_and_a_heading_that_exist(self, page):
        assert broken_links(page, page.read_text()) == []

    def test_every_command_and_option_is_one_of_the_command_line(self, page):
        assert unknown_words(page.read_text()) == []

    def test_every_script_exists(self, page):
        assert missing_scripts(page.read_text()) == []

    def test_it_is_short_enough_to_be_read(self, page):
        assert len(page.read_text().splitlines()) <= MOST_LINES


def test_every_loss_is_explained_and_no_other():
    assert rows((DOCS / "losses.md").read_text()) == {loss.name for loss in LOSSES}


def test_the_index_leads_to_every_page():
    linked = {target.partition("#")[0] for target in LINK.findall(INDEX.read_text())}
    assert {page.name for page in PAGES if page.parent == DOCS and page != INDEX} <= linked


def test_the_readme_keeps_the_two_commands_at_its_top():
    top = FENCED.findall(PAGES[0].read_text())[0]
    assert re.findall(r"^sudo (\S+) +#", top, re.MULTILINE) == ["scripts/demo", "scripts/test"]


@pytest.mark.parametrize(
    "text, broken",
    [
        ("[here](docs/nowhere.md)", ["docs/nowhere.md"]),
        ("[out](../../etc/passwd)", ["../../etc/passwd"]),
        ("# One\n[two](#two)", ["#two"]),
        ("[other](CONTRIBUTING.md#no-such-heading)", ["CONTRIBUTING.md#no-such-heading"]),
        ("![picture](docs/none.svg)", ["docs/none.svg"]),
        ("# A `b` c: d\n# A `b` c: d\n[one](#a-b-c-d) [two](#a-b-c-d-1)", []),
        ("[web](https://example.org/x) `a[0](x)`\n```\n[code](x.md)\n```\n", []),
    ],
)
def test_a_link_that_leads_nowhere_is_found(text, broken):
    assert broken_links(PAGES[0], text) == broken


@pytest.mark.parametrize(
    "text, unknown",
    [
        ("`ebpftrace atach -p 1`", ["atach"]),
        ("```\nsudo .venv/bin/ebpftrace attach -p 1 --colour\n```\n", ["attach --colour"]),
        ("```\nebpftrace attach -p 1 \\\n  --colour\n```\n", ["attach --colour"]),
        ("`ebpftrace report --budget 5%`", ["report --budget"]),
        ("`ebpftrace attach -q 1`", ["attach -q"]),
        ("`--no-such-option`", ["--no-such-option"]),
        ("`ebpftrace run --threshold 4k -- ./tests --all`", []),
        ("```\nebpftrace attach --json -p 1 | jq -r .time # --slurp\n```\n", []),
        ("`ebpftrace COMMAND --help`, ebpftrace is --not code", []),
    ],
)
def test_a_command_or_option_that_is_none_is_found(text, unknown):
    assert unknown_words(text) == unknown


def test_a_script_that_is_not_there_is_found():
    assert missing_scripts("`scripts/demo`, `scripts/no-such --all`") == ["no-such"]
