"""Names that a terminal or a UI library would obey appear literally, every control character visible."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.harness import (
    EXACT,
    LEAVE_LIMIT,
    REPOSITORY,
    START_LIMIT,
    TOOL,
    Ended,
    Tracer,
    Workload,
    run_tool,
    workload,
)

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
FOLDER = "a\x1b[32mb\n[/b]\u202egnp"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The hostile program at a hostile path."""
    folder = tmp_path_factory.mktemp("hostile") / FOLDER
    folder.mkdir(parents=True)
    path = folder / "x[vdso]\x07"
    shutil.copy(workload("hostile_names"), path)
    return path


@pytest.fixture(scope="module")
def ended(program: Path) -> Iterator[Ended]:
    with Workload(program) as target, Tracer(target) as tracer:
        target.phases()
        yield tracer.finish()


def strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)


def test_no_string_of_the_json_holds_a_control_character(ended: Ended):
    found = [text for text in strings(ended.final.raw) if CONTROL.search(text) or "\n" in text]
    assert found == []


def test_markup_appears_as_it_is(ended: Ended):
    functions = {name for site in ended.final.sites for name in site.functions}
    assert "leak[abi:cxx11]x[/]y" in functions
    assert "leak[/red]·[31mred" in functions
    assert "leak·]0;title··newline" in functions


def test_comm_and_path_are_made_visible(ended: Ended):
    (target,) = ended.final.targets
    assert target["comm"] == "ev·[31m·il[/b]"
    assert target["exe"].endswith("/a·[32mb·[/b]·gnp/x[vdso]·")


def test_hostile_names_do_not_change_the_counts(ended: Ended):
    assert ended.final.held == (3, 300)
    assert ended.final.faults == {}


def test_the_text_report_has_no_control_character_but_the_newline(program: Path):
    with Workload(program) as target:
        command = [*TOOL, "attach", *EXACT, "--text", "--interval", "0.2", "-p", str(target.pid)]
        with subprocess.Popen(
            [*command, "--duration", "2s"],
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as tool:
            assert tool.stdout
            first = tool.stdout.readline()
            target.phases()
            out, err = tool.communicate(timeout=START_LIMIT + LEAVE_LIMIT)
    for text in ((first + out).decode(), err.decode()):
        assert not CONTROL.search(text.replace("\n", ""))
    assert b"leak[abi:cxx11]x[/]y" in out
    assert tool.returncode == 0


def test_the_probe_plan_has_no_control_character(program: Path):
    with Workload(program) as target:
        plan = run_tool("probes", "-p", target.pid)
    assert plan.returncode == 0, plan.stderr
    assert not CONTROL.search(plan.stdout.replace("\n", ""))
    assert "malloc" in plan.stdout


def test_a_refusal_has_no_control_character(tmp_path: Path):
    path = tmp_path / "gone\x1b[31m"
    shutil.copy(workload("no_libc"), path)
    with Workload(path) as target:
        refusal = run_tool("attach", "--json", "-p", target.pid)
    assert refusal.returncode == 3
    assert not CONTROL.search(refusal.stderr.replace("\n", ""))
