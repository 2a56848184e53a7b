"""One picture, kept in a file."""

import json
import stat
from pathlib import Path

from ebpftrace.analysis.selection import Selection
from ebpftrace.cli.saving import save
from tests.unit.builders import counts, picture, site


def test_every_site_is_in_the_file_which_is_its_owners_alone(tmp_path):
    sites = [site(f"site{n}", counts=counts(1, n)) for n in range(120)]
    said = save(picture(*sites), Selection(top=3, older=1e9), tmp_path)
    (file,) = tmp_path.iterdir()
    assert said == f"saved to {file}"
    assert len(json.loads(file.read_text())["sites"]) == 120
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_second_one_of_the_same_moment_is_another_file(tmp_path):
    for _ in range(3):
        save(picture(site()), Selection(), tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


def test_a_link_that_lies_in_wait_is_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("kept")
    folder = tmp_path / "folder"
    folder.mkdir()
    save(picture(site()), Selection(), folder)
    (first,) = folder.iterdir()
    first.unlink()
    first.symlink_to(victim)
    assert "saved to" in save(picture(site()), Selection(), folder)
    assert victim.read_text() == "kept"


def test_a_folder_that_is_gone_is_said(tmp_path):
    said = save(picture(site()), Selection(), tmp_path / "gone")
    assert said == f"nothing was saved: {tmp_path / 'gone'}: No such file or directory"


def test_a_current_folder_that_has_gone_is_said(tmp_path, monkeypatch):
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    said = save(picture(site()), Selection(), Path())
    assert said == "nothing was saved: the current folder: No such file or directory"


def test_the_whole_path_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert save(picture(site()), Selection(), Path()).startswith(f"saved to {tmp_path}/ebpftrace-")
