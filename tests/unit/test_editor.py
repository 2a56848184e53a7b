"""The user's editor on the source of a frame, a shell script in its place."""

import os
import stat
import time
from pathlib import Path

import pytest

from ebpftrace.model.picture import SourceLines
from ebpftrace.tui.editor import command, edit

TEXT = SourceLines("/srv/app/leak.c", 1, ("int main() {", "  leak();", "}"))


@pytest.mark.parametrize(
    "environment,words",
    [
        ({}, ["vi", "+7", "/x.c"]),
        ({"EDITOR": "nano"}, ["nano", "+7", "/x.c"]),
        ({"EDITOR": "nano", "VISUAL": "emacs -nw"}, ["emacs", "-nw", "+7", "/x.c"]),
        ({"EDITOR": "/usr/bin/code --wait"}, ["/usr/bin/code", "--wait", "--goto", "/x.c:7"]),
        ({"EDITOR": "hx"}, ["hx", "/x.c:7"]),
        ({"EDITOR": "vim 'unclosed"}, ["vim 'unclosed", "+7", "/x.c"]),
        ({"EDITOR": ""}, ["vi", "+7", "/x.c"]),
    ],
)
def test_how_an_editor_is_told_the_line(environment, words):
    assert command(environment, "/x.c", 7) == words


@pytest.fixture
def editor(tmp_path, monkeypatch):
    """Writes what it was called with, and what it read, to `said`."""
    script, said = tmp_path / "editor", tmp_path / "said"

    def make(does=""):
        script.write_text(f'#!/bin/sh\necho "$@" >{said}\ncat "$2" >>{said}\n{does}\n')
        script.chmod(0o755)
        monkeypatch.setenv("VISUAL", str(script))
        return said

    return make


def test_a_file_of_this_host_is_opened_itself(editor, tmp_path):
    here = tmp_path / "leak.c"
    here.write_text("text\n")
    said = editor()
    assert edit(TEXT._replace(here=str(here)), 2, lambda: False) is None
    assert said.read_text() == f"+2 {here}\ntext\n"


def test_another_file_is_a_copy_that_is_gone_afterwards(editor, tmp_path):
    said = editor(f'ls -l "$2" >{tmp_path / "rights"}')
    assert edit(TEXT, 2, lambda: False) is None
    first, *rest = said.read_text().splitlines()
    path = first.split()[1]
    assert path.endswith("/leak.c")
    assert rest == list(TEXT.lines)
    assert not Path(path).exists()
    assert (tmp_path / "rights").read_text().startswith(stat.filemode(stat.S_IFREG | 0o400))


@pytest.mark.parametrize("path", ["/srv/-rf", "/srv/..", "/srv/", "/srv/" + "x" * 4000])
def test_the_name_of_a_copy_cannot_be_taken_for_anything_else(editor, path):
    said = editor()
    assert edit(TEXT._replace(path=path), 2, lambda: False) is None
    name = os.path.basename(said.read_text().splitlines()[0].removeprefix("+2 "))
    assert name
    assert not name.startswith(("-", "."))


def test_what_goes_wrong_is_a_sentence(editor, monkeypatch):
    editor("exit 3")
    assert "ended with status 3" in (edit(TEXT, 2, lambda: False) or "")
    monkeypatch.setenv("VISUAL", "/nowhere/editor")
    assert "cannot be started: No such file" in (edit(TEXT, 2, lambda: False) or "")


def test_an_editor_is_ended_when_the_dashboard_is(editor):
    editor("exec sleep 60")
    began = time.monotonic()
    edit(TEXT, 2, lambda: True)
    assert time.monotonic() - began < 30


def test_an_editor_that_does_not_want_to_end_is_killed(editor, monkeypatch):
    editor('trap "" TERM\nwhile :; do sleep 0.1; done')
    monkeypatch.setattr("ebpftrace.tui.editor._PATIENCE_S", 0.3)
    began = time.monotonic()
    assert "ended with status -9" in (edit(TEXT, 2, lambda: time.monotonic() > began + 0.5) or "")


def test_a_name_of_many_bytes_is_cut_to_what_a_file_may_have(editor):
    editor()
    assert edit(TEXT._replace(path="/srv/" + "漢" * 2000 + ".c"), 2, lambda: False) is None


def test_where_there_is_no_room_for_a_copy_it_is_said(editor, monkeypatch):
    editor()
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    said = edit(TEXT, 2, lambda: False)
    assert said == "the source cannot be copied for an editor: No such file or directory"
