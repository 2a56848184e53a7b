"""The table of features by kernel in docs/kernels.md: written, read back, and in step with the code."""

from pathlib import Path
from typing import Any

import pytest

from ebpftrace.doctor.features import FEATURES
from scripts.kernels import guests
from scripts.kernels.table import BEGIN, END, Table, read, replaced

DOCUMENT = Path(__file__).parents[2] / "docs" / "kernels.md"


def feature(
    have: bool | None = True, *, since: str = "5.8", instead: str = "nothing"
) -> dict[str, Any]:
    return {"since": since, "commit": "457f44363a88", "have": have, "instead": instead}


def table(**kernels: dict[str, Any]) -> Table:
    made = Table()
    for kernel, features in kernels.items():
        made.put(kernel, features)
    return made


def test_what_is_written_into_a_document_is_read_back_and_the_rest_stays():
    features = {"a ring": feature(), "links": feature()}
    made = Table()
    made.put("6.1-arm64", features)
    made.put("5.10", features)
    made.put("5.4", {"a ring": feature(None), "links": feature(False)})
    text = replaced(f"# Before\n\n{BEGIN}\nwhat was there\n{END}\nafter\n", made)
    assert text.startswith(
        f"# Before\n\n{BEGIN}\n| feature | came with | 5.4 | 5.10 | 6.1-arm64 | without it |\n"
    )
    assert text.endswith(f"{END}\nafter\n")
    assert "| a ring | 5.8 (457f44363a88) | ? | yes | yes | nothing |" in text
    again = read(text)
    assert again.text() == made.text()
    assert again.changes(made) == []


def test_a_feature_that_is_gone_or_new_or_another_answer_is_a_change():
    before = table(old={"a": feature(), "b": feature()})
    assert before.changes(table(old={"a": feature(False), "b": feature()})) == [
        "a on old: yes is no"
    ]
    assert before.changes(table(old={"a": feature(), "b": feature(since="5.9")})) == [
        "the row of b"
    ]
    assert before.changes(table(old={"a": feature()})) == ["the row of b"]
    assert before.changes(table(old={"a": feature(), "b": feature()}, new={})) == []


def test_columns_of_kernels_that_did_not_run_stay():
    made = table(old={"a": feature(False)}, new={"a": feature()})
    copy = made.copy()
    copy.put("new", {"a": feature(None)})
    assert copy.cells == {"old": {"a": "no"}, "new": {"a": "?"}}
    assert made.cells["new"] == {"a": "yes"}
    copy.put("new", {})
    assert copy.cells["new"] == {"a": "?"}


def test_a_document_without_the_marks_is_refused():
    with pytest.raises(ValueError, match="no line"):
        read("# Kernels\n")


def test_the_document_has_every_feature_that_doctor_tries_with_its_commit_and_fallback():
    told = read(DOCUMENT.read_text())
    assert told.about == {
        name: (f"{since} ({commit})", instead) for name, since, commit, _, instead in FEATURES
    }
    assert all(len(row) == len(FEATURES) for row in told.cells.values())


@pytest.mark.parametrize(
    "kernel, every, marks",
    [
        ("5.10", False, "oldkernel"),
        ("5.10", True, "(oldkernel or everykernel)"),
        ("6.12-arm64", True, "elsewhere"),
    ],
)
def test_a_guest_runs_the_tests_that_are_marked_for_it(kernel: str, every: bool, marks: str):
    """And collects no other files: where processors are emulated that takes seconds each."""
    assert guests.marks(kernel, every=every) == marks
    script = guests.command(kernel, "mark: ", marks)[-1]
    assert f"'{marks} and not alone'" in script
    assert "exit $status" in script
    assert "tests/kernel/test_doctor.py" in script
    assert "tests/kernel/test_dashboard.py" not in script
    assert "pytest" not in guests.command(kernel, "mark: ", None)[-1]
