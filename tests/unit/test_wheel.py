"""The wheel is what users install: it must hold the BPF sources and run without the checkout."""

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

import ebpftrace
from scripts.releasing.building import HERE, Distributions, build
from scripts.releasing.contents import SHARED, wheel_differences

ROOT = Path(__file__).parents[2]
EPOCH = 1_800_000_000
BPF_SOURCES = {path.relative_to(ROOT) for path in (ROOT / "bpf").rglob("*.[ch]")}


def run(*command: str | Path, cwd: Path) -> str:
    # Without PYTHON*, which could lead back to the checkout.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def distributions(tmp_path_factory) -> Distributions:
    """The sdist, and the wheel built out of that sdist."""
    return build(ROOT, tmp_path_factory.mktemp("dist"), EPOCH, HERE)


@pytest.fixture(scope="module")
def wheel(distributions) -> Path:
    return distributions.wheel


@pytest.fixture(scope="module")
def fresh_environment(wheel, tmp_path_factory) -> Path:
    """The wheel alone in an environment of its own, without any of its dependencies."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder)
    # pip of .venv installs into it: an environment without pip is made in 0.1 s instead of 3.
    pip = [sys.executable, "-m", "pip", "--python", folder / "bin/python"]
    run(*pip, "install", "--no-deps", "--no-index", "--quiet", wheel, cwd=folder)
    return folder


def test_the_wheel_holds_what_it_should_and_nothing_else(wheel):
    assert wheel_differences(wheel, ROOT, ebpftrace.__version__) == []


@pytest.mark.parametrize(
    "change, says",
    [
        (lambda files: files.pop("ebpftrace/bpf/walk.h"), "ebpftrace/bpf/walk.h is missing"),
        (lambda files: files.update({"tests/x.py": b""}), "tests/x.py should not be there"),
        (
            lambda files: files.update({"ebpftrace/__init__.py": b""}),
            "ebpftrace/__init__.py is not the file of the tree",
        ),
    ],
    ids=["missing", "too much", "other"],
)
def test_a_wheel_that_differs_is_told_by_what(wheel, tmp_path, change, says):
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    other = tmp_path / wheel.name
    with zipfile.ZipFile(other, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    differences = wheel_differences(other, ROOT, ebpftrace.__version__)
    assert says in differences
    name = says.split()[0]
    if "missing" not in says:
        assert f"{name} has another digest in RECORD, or none" in differences


def test_the_source_distribution_holds_what_the_wheel_is_made_of(distributions):
    with tarfile.open(distributions.sdist) as archive:
        names = {Path(*Path(name).parts[1:]) for name in archive.getnames()}
    assert names >= BPF_SOURCES | set(map(Path, SHARED))
    assert Path(".ci/run") in names


def test_version_runs_from_a_fresh_environment_with_no_dependency_in_it(fresh_environment):
    printed = run(fresh_environment / "bin/ebpftrace", "--version", cwd=fresh_environment)
    assert printed.strip() == f"ebpftrace {ebpftrace.__version__}"


def test_an_installed_package_finds_its_own_bpf_sources(fresh_environment):
    script = "from ebpftrace.kernel import sources; print(sources.folder())"
    found = Path(run(fresh_environment / "bin/python", "-c", script, cwd=fresh_environment).strip())
    assert found.is_relative_to(fresh_environment)


def test_the_manual_and_the_completions_are_where_man_and_shells_look(fresh_environment):
    for source, installed in SHARED.items():
        assert (fresh_environment / installed).read_bytes() == (ROOT / source).read_bytes()
