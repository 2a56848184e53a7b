"""What is refused before a release is built, and how what was checked is judged and printed."""

import os
import subprocess
import tarfile
from io import BytesIO

import pytest
from packaging.metadata import Metadata

from scripts.releasing import tree
from scripts.releasing.building import HERE, build
from scripts.releasing.contents import sdist_differences
from scripts.releasing.metadata import differences, oldest
from scripts.releasing.pythons import LEAST, pythons
from scripts.releasing.table import Table, refuse
from scripts.releasing.tree import NotReady

UNRELEASED = "# Changelog\n\n## Unreleased\n\n- a thing\n"
RELEASED = "# Changelog\n\n## Unreleased\n\n## 1.2.0 - 2026-12-01\n\n- a thing\n"
METADATA = """\
Metadata-Version: 2.4
Name: {name}
Version: 1.2.0
Summary: short
License-Expression: Apache-2.0
License-File: LICENSE
Requires-Python: {python}
Classifier: Programming Language :: Python :: 3.10
Classifier: {classifier}
Requires-Dist: msgpack>=1.0
Requires-Dist: demangle>=0.6; python_version >= "3.11"
Requires-Dist: {requirement}
Requires-Dist: pytest; extra == "dev"
Provides-Extra: dev
Description-Content-Type: text/markdown

# read me
"""


class Repository:
    """With version 1.2.0 in it, and what is written and committed."""

    def __init__(self, root):
        self.root = root
        self.git("init", "-q")
        self.write("ebpftrace/__init__.py", '"""x"""\n\n__version__ = "1.2.0"\n')

    def git(self, *arguments):
        who = ["-c", "user.name=x", "-c", "user.email=x@localhost", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", self.root, *who, *arguments], check=True, capture_output=True)

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def commit(self, changelog):
        self.write("CHANGELOG.md", changelog)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "x")


@pytest.fixture
def repository(tmp_path):
    (tmp_path / "checkout").mkdir()
    return Repository(tmp_path / "checkout")


def refusal(repository, **options):
    with pytest.raises(NotReady) as caught:
        tree.ready(repository.root, **{"unreleased": False, **options})
    return str(caught.value)


# --- the commit ----------------------------------------------------------------------------------


def test_a_version_with_a_heading_and_a_day_is_released(repository):
    repository.commit(RELEASED)
    commit = tree.ready(repository.root, unreleased=False)
    assert commit.version == "1.2.0"
    assert commit.epoch > 1_600_000_000


def test_a_version_that_the_changelog_does_not_know_is_refused_but_can_be_tried(repository):
    repository.commit(UNRELEASED)
    assert "no heading '## 1.2.0 - YYYY-MM-DD'" in refusal(repository)
    assert tree.ready(repository.root, unreleased=True).version == "1.2.0"
    repository.commit(UNRELEASED + "\n## 1.2.0\n\n- without a day\n")
    assert "no heading" in refusal(repository)


def test_a_release_of_which_nothing_is_said_is_refused(repository):
    repository.commit(
        "# Changelog\n\n## Unreleased\n\n## 1.2.0 - 2026-12-01\n\n## 1.1.0 - 2026-11-01\n\n- x\n"
    )
    assert "Nothing stands under the heading 1.2.0" in refusal(repository)
    assert "Nothing stands under the heading Unreleased" in refusal(repository, unreleased=True)


def test_what_is_not_committed_is_refused_whether_git_knows_it_or_not(repository):
    repository.commit(RELEASED)
    repository.write("notes.txt", "x")
    assert refusal(repository).startswith("notes.txt is not committed.")
    repository.write("CHANGELOG.md", "x")
    assert "CHANGELOG.md is not committed, and 1 more" in refusal(repository)


def test_a_version_that_is_not_said_and_no_checkout_are_refused(repository, tmp_path):
    repository.write("ebpftrace/__init__.py", "version = 1")
    repository.commit(RELEASED)
    assert "does not say what version" in refusal(repository)
    with pytest.raises(NotReady, match=r"git status failed: .*not a git repository"):
        tree.ready(tmp_path, unreleased=False)


def test_only_what_is_committed_is_exported(repository, tmp_path):
    repository.write("script", "#!/bin/sh\n")
    (repository.root / "script").chmod(0o755)
    repository.write(".gitignore", "ignored\n")
    repository.commit(RELEASED)
    repository.write("ignored", "x")
    commit = tree.ready(repository.root, unreleased=False)
    there = tree.export(repository.root, commit, tmp_path / "new" / "tree")
    found = {path.name for path in there.iterdir()}
    assert found == {"CHANGELOG.md", ".gitignore", "ebpftrace", "script"}
    assert os.access(there / "script", os.X_OK)


def test_a_build_that_fails_says_why(tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/pyproject.toml").write_text("[project\n")
    with pytest.raises(NotReady, match=r"The build failed: .*pyproject.toml"):
        build(tmp_path / "tree", tmp_path / "out", 0, HERE)


# --- what is in it -------------------------------------------------------------------------------


def packed(path, files):
    with tarfile.open(path, "w:gz") as archive:
        for name, (mode, content) in files.items():
            member = tarfile.TarInfo(f"ebpftrace-1.2.0/{name}")
            member.mode, member.size = mode, len(content)
            archive.addfile(member, BytesIO(content))
    return path


def test_a_source_distribution_that_is_not_the_commit_is_told_by_what(tmp_path):
    there = tmp_path / "tree"
    there.mkdir()
    (there / "run").write_bytes(b"x")
    (there / "run").chmod(0o755)
    (there / "__pycache__").mkdir()
    (there / "__pycache__/x.pyc").touch()
    right = {"run": (0o755, b"x"), "PKG-INFO": (0o644, b"")}
    path = tmp_path / "x.tar.gz"
    assert sdist_differences(packed(path, right), there, "1.2.0") == []
    for change, says in (
        ({"run": (0o644, b"x")}, "run has the mode 644"),
        ({"run": (0o755, b"y")}, "run is not the file of the tree"),
        ({".venv/x": (0o644, b"")}, ".venv/x should not be there"),
    ):
        assert sdist_differences(packed(path, right | change), there, "1.2.0") == [says]
    del right["run"]
    assert sdist_differences(packed(path, right), there, "1.2.0") == ["run is missing"]
    found = sdist_differences(packed(path, right), there, "1.3.0")
    assert "ebpftrace-1.2.0/PKG-INFO is no file of ebpftrace-1.3.0" in found


def described(tmp_path, tried=("3.10",), **changes):
    usual = {
        "name": "ebpftrace",
        "python": ">=3.10",
        "classifier": "Environment :: Console",
        "requirement": "drgn>=0.1",
    }
    (tmp_path / "README.md").write_text("# read me\n")
    found = Metadata.from_email(METADATA.format(**usual | changes), validate=True)
    return differences(found, tmp_path, "1.2.0", tried)


def test_metadata_is_taken_or_told_by_what_is_wrong(tmp_path):
    assert described(tmp_path) == []
    assert described(tmp_path, name="other") == ["it is called other 1.2.0"]
    assert described(tmp_path, python=">=3.9") == ["it is for Python >=3.9, and made for >=3.10"]
    assert described(tmp_path, classifier="A :: B") == ["'A :: B' is no classifier"]
    assert described(tmp_path, requirement="drgn") == ["it requires any version of drgn"]
    (wrong,) = described(tmp_path, requirement="bcc>=0.1")
    assert wrong == "it requires bcc>=0.1, which is another library than BCC"
    assert described(tmp_path, tried=["3.10", "3.13"]) == [
        "no classifier says that it runs with Python 3.13"
    ]


def test_the_oldest_of_what_is_required_is_by_its_bounds_and_without_extras():
    text = METADATA.format(name="x", python=">=3.10", classifier="A", requirement="drgn>=0.1,<2")
    found = oldest(Metadata.from_email(text, validate=False))
    assert found == ["msgpack==1.0.*", "demangle==0.6.*", "drgn==0.1.*"]


def test_every_python_that_is_found_is_new_enough_and_found_once():
    found = pythons()
    assert found == sorted(found)
    assert len({python.executable for python in found}) == len(found)
    assert all(python.version >= LEAST for python in found)
    ran = subprocess.run(
        [found[0].executable, "--version"], capture_output=True, text=True, check=True
    )
    assert ran.stdout == f"Python {found[0].name}\n"


# --- what is printed -----------------------------------------------------------------------------


def test_what_failed_and_what_was_left_out_make_the_status(capsys):
    table = Table()
    assert table.check("built", "one", lambda: "found")
    assert table.status(available=False) == 0
    table.leave_out("built", "another thing", "no tool")
    assert (table.status(available=True), table.status(available=False)) == (0, 1)

    def looked():
        refuse(["a is missing", "b is missing"])
        return "nothing is"

    assert not table.check("Python", "x", looked)
    assert table.status(available=True) == 1
    assert table.text().splitlines() == [
        "built",
        "  ok        one            found",
        "  left out  another thing  no tool",
        "Python",
        "  FAILED    x              a is missing; and 1 more",
        "1 ok, 1 failed, 1 left out",
    ]
    assert capsys.readouterr().err.splitlines()[-1] == "release: Python: x: FAILED"
