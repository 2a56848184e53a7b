"""One picture, kept in a file as all that explains it later."""

import os
import stat
from pathlib import Path

from ebpftrace.cli.saving import save
from ebpftrace.errors import UsageError
from ebpftrace.model.picture import Point
from ebpftrace.snapshot.loading import load
from ebpftrace.units import format_bytes
from tests.unit.builders import counts, picture, site
from tests.unit.snapshot_builders import snapshot

POINTS = (Point(1.0, 10, None), Point(12.0, 20, 30))


def as_it_is(shown, points):
    return snapshot(shown, history=tuple(points))


def saved(folder, *sites, made=as_it_is):
    return save(made, picture(*sites), POINTS, folder)


def test_every_site_is_in_the_file_which_is_its_owners_alone(tmp_path):
    said = saved(
        tmp_path, *(site(f"site{n}", id=f"1-{n:016x}", counts=counts()) for n in range(120))
    )
    (file,) = tmp_path.iterdir()
    assert said == f"saved to {file}, {format_bytes(file.stat().st_size)}"
    found = load(str(file))
    assert len(found.picture.sites) == 120
    assert found.history == POINTS
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_second_one_of_the_same_moment_is_another_file(tmp_path):
    for _ in range(3):
        assert saved(tmp_path, site()).startswith("saved to ")
    assert len(list(tmp_path.iterdir())) == 3


def test_a_link_that_lies_in_wait_is_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("kept")
    folder = tmp_path / "folder"
    folder.mkdir()
    saved(folder, site())
    (first,) = folder.iterdir()
    first.unlink()
    first.symlink_to(victim)
    saved(folder, site())
    assert victim.read_text() == "kept"


def test_a_folder_that_is_gone_is_said(tmp_path):
    said = saved(tmp_path / "gone", site())
    assert str(tmp_path / "gone") in said
    assert "saved to" not in said


def test_a_current_folder_that_has_gone_is_said(tmp_path, monkeypatch):
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    assert "current" in saved(Path(), site())


def test_the_whole_path_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert saved(Path()).startswith(f"saved to {tmp_path}/2026")


def test_what_keeps_it_from_being_made_is_said_and_leaves_nothing(tmp_path):
    def broken():
        raise UsageError("the blocks of x are damaged.")

    said = saved(tmp_path, made=lambda shown, _: snapshot(shown, blocks=broken))
    assert "the blocks of x are damaged." in said
    said = saved(tmp_path, made=lambda *_: None)
    assert said.startswith("nothing was saved: ")
    assert os.listdir(tmp_path) == []
