"""The manual page and the completions are those of today's options, and every reader of a page takes it."""

import argparse
import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from ebpftrace.cli.main import COMMANDS, parser
from ebpftrace.errors import EbpftraceError
from scripts.releasing.changelog import released_on, said_of
from scripts.releasing.pythons import pythons
from scripts.usage import prose, roff, values
from scripts.usage.grammar import read
from scripts.usage.write import made

ROOT = Path(__file__).parents[2]
PAGE = "docs/ebpftrace.1"
GRAMMAR = read(parser())
MADE = made()
PYTHONS = [python.executable for python in pythons()]
HOSTILE = [
    ".so /etc/passwd",
    "'br and a quote 'in' \"it\"",
    "a\\fBb\\n[.x] C:\\new\\$1",
    "--option=-1 -x ~/^caret `tick`",
    "\\",
]


def rendered(text, width=200):
    """As a terminal shows it, without bold and italics."""
    command = ["groff", "-man", "-ww", "-Tascii", "-P-c", "-P-b", "-P-u", f"-rLL={width}n"]
    ran = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    assert ran.stderr == ""
    return ran.stdout


def page(*lines):
    return roff.document(
        [*roff.title("x", 1, "2026-01-01", "x 1", "x"), roff.heading("NAME"), *lines]
    )


# --- that they are of today ----------------------------------------------------------------------


@pytest.mark.parametrize("name", MADE)
def test_each_file_is_what_the_script_makes(name):
    stale = "It is of older options: run scripts/manual"
    assert (ROOT / name).read_text(encoding="utf-8") == MADE[name], stale


def test_nothing_else_passes_for_a_completion():
    found = {f"completions/{path.name}" for path in (ROOT / "completions").iterdir()}
    assert found | {PAGE} == set(MADE)


@pytest.mark.parametrize("python", PYTHONS)
def test_every_version_of_python_makes_the_same_on_any_terminal(python):
    script = "import json, sys; from scripts.usage.write import made; json.dump(made(), sys.stdout)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "40", "LC_ALL": "C"}
    command = [python, "-B", "-c", script]
    ran = subprocess.run(
        command, cwd="/", env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == MADE


# --- that the page is well formed ----------------------------------------------------------------


def test_the_page_has_nothing_that_a_reader_complains_of():
    ran = subprocess.run(
        ["mandoc", "-T", "lint"], input=MADE[PAGE], capture_output=True, text=True, check=False
    )
    complaints = [line for line in ran.stdout.splitlines() if "missing date" not in line]
    assert complaints == []
    assert "EXIT STATUS" in rendered(MADE[PAGE])


def test_a_page_of_a_release_has_its_day():
    text = "# Changelog\n\n## Unreleased\n\n## 0.2.0 - 2026-12-01\n\n- x\n\n## 0.1.0 - 2026-11-01\n\ny\n"
    assert released_on(text, "0.2.0") == "2026-12-01"
    assert released_on(text, "0.3.0") is None
    assert released_on(text, "Unreleased") is None
    assert (said_of(text, "0.1.0"), said_of(text, "0.2.0"), said_of(text, "1")) == ("y", "- x", "")
    assert said_of(text, "Unreleased") == ""


@pytest.mark.parametrize("text", HOSTILE)
def test_text_is_never_taken_for_a_request(text):
    plain = text.replace("`", "")
    for lines in (roff.paragraph(text), roff.definition(roff.bold(text), text), roff.caption(text)):
        assert plain in " ".join(rendered(page(*lines)).replace("`", "").split())
    shown = rendered(page(*roff.example([text, f"  {text}"])))
    assert f"    {text}\n" in shown
    assert f"      {text}\n" in shown


def test_long_paragraphs_are_cut_where_no_request_begins():
    text = " ".join([".br 'br word"] * 60)
    lines = list(roff.paragraph(text))
    assert max(map(len, lines)) <= 80
    assert " ".join(rendered(page(*lines)).split()).count(".br 'br word") == 60


def test_what_is_indented_stands_as_it_is():
    lines = list(roff.flowing("One\nline:\n  ls -l\n    more\n\nanother"))
    assert lines == [
        *(".PP", "One line:"),
        *(".PP", ".RS 4", ".nf", "ls \\-l", "  more", ".fi", ".RE"),
        *(".PP", "another"),
    ]


# --- what it says --------------------------------------------------------------------------------


def test_every_option_of_every_command_is_in_the_page():
    text = rendered(MADE[PAGE])
    assert {command.name for command in GRAMMAR.commands} == {kind.name for kind in COMMANDS}
    for command in GRAMMAR.commands:
        assert f"ebpftrace {command.name} " in text
        for option in command.options:
            for flag in option.flags:
                assert re.search(rf"^ +(-\w[^-]*, )?{flag}\b", text, re.MULTILINE), flag
    assert "run_line" not in text


def test_what_help_leaves_out_is_left_out():
    run = next(command for command in GRAMMAR.commands if command.name == "run")
    assert "--budget" not in {flag for option in run.options for flag in option.flags}
    assert run.program
    assert run.arguments == ()


@pytest.mark.parametrize("line", [line for lines in prose.EXAMPLES.values() for line in lines])
def test_the_examples_are_understood(line):
    words = shlex.split(line.partition("|")[0])
    assert words[: 2 if words[0] == "sudo" else 1][-1] == "ebpftrace"
    parser().parse_args(words[words.index("ebpftrace") + 1 :])


def test_what_a_command_needs_is_understood():
    for name, needed in prose.NEEDED.items():
        parser().parse_args([name, *needed.replace("PID", "1").split()])


def test_each_variable_of_the_environment_is_one_that_something_reads():
    read_by_us = "\n".join(path.read_text() for path in (ROOT / "ebpftrace").rglob("*.py"))
    for name in ", ".join(prose.ENVIRONMENT).split(", "):
        assert re.search(rf"\b{name}\b", read_by_us), name


# --- the walk ------------------------------------------------------------------------------------


def test_an_option_whose_values_nobody_has_thought_of_is_refused():
    one = argparse.ArgumentParser(prog="x")
    command = one.add_subparsers().add_parser("do", help="it")
    command.add_argument("--new", metavar="NOVELTY", help="something")
    (grammar,) = [read(one)]
    (_, option) = grammar.commands[0].options
    with pytest.raises(EbpftraceError, match="NOVELTY"):
        values.kind(option)


def test_every_option_and_argument_has_a_way_to_be_completed():
    for command in GRAMMAR.commands:
        for argument in command.arguments:
            values.kind(argument)
    for _, option in values.of_commands(GRAMMAR):
        values.kind(option)


def test_the_walk_tells_what_excludes_each_other_and_what_may_be_repeated():
    attach = GRAMMAR.commands[0]
    by_flag = {option.flags[0]: option for option in attach.options}
    assert by_flag["--text"].without == ("--json",)
    assert by_flag["-p"].repeated
    assert not by_flag["--top"].repeated
