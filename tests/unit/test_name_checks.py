"""What doctor says of names, files and lines."""

from pathlib import Path

import pytest

from ebpftrace.doctor import name_checks
from ebpftrace.symbols.resolver.client import Resolver, ResolverGone


def test_what_looks_lines_up_is_started_and_ended(monkeypatch: pytest.MonkeyPatch):
    ended: list[int | None] = []
    stop = Resolver.stop

    def noted_stop(self: Resolver) -> None:
        ended.append(self.pid)
        stop(self)

    monkeypatch.setattr(Resolver, "stop", noted_stop)
    check = name_checks.check_lines()
    assert check.verdict == "ok"
    assert "confined" in check.found
    assert ended[-1] is not None


def test_where_it_cannot_start_there_are_no_lines_and_that_is_no_failure(
    monkeypatch: pytest.MonkeyPatch,
):
    def refuse(self: Resolver) -> None:
        raise ResolverGone("Debug information cannot be read: drgn cannot be loaded.")

    monkeypatch.setattr(Resolver, "start", refuse)
    check = name_checks.check_lines()
    assert (check.verdict, "drgn cannot be loaded" in check.found) == ("note", True)
    assert "scripts/setup" in check.fix


@pytest.mark.parametrize("text", ["", "raise ImportError('no libelf')"])
def test_a_drgn_that_is_too_old_or_broken_is_said_to_be_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
):
    (tmp_path / "drgn.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    check = name_checks.check_lines()
    assert check.verdict == "note"
    assert "Debug information cannot be read: drgn cannot be loaded:" in check.found
    assert "Install the Python package drgn" in check.fix


def test_without_the_demangler_names_stay_as_they_are_and_that_is_no_failure(
    monkeypatch: pytest.MonkeyPatch,
):
    assert name_checks.check_demangling().verdict == "ok"
    monkeypatch.setattr(name_checks, "find_spec", lambda name: None)
    assert name_checks.check_demangling().verdict == "note"
