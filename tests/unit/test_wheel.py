"""The wheel is what users install: it must hold the BPF sources and run without the checkout."""

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path, PurePosixPath

import pytest

import ebpftrace

ROOT = Path(__file__).parents[2]
ASSETS = ROOT / "ebpftrace/export/formats/assets"
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
def distributions(tmp_path_factory) -> Path:
    """A folder with the sdist, and the wheel built out of that sdist."""
    out = tmp_path_factory.mktemp("dist")
    # No isolation: hatchling is in .venv, so that nothing is downloaded.
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT, cwd=out)
    return out


@pytest.fixture(scope="module")
def wheel(distributions) -> Path:
    (path,) = distributions.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def fresh_environment(wheel, tmp_path_factory) -> Path:
    """The wheel alone in an environment of its own, without any of its dependencies."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder)
    # pip of .venv installs into it: an environment without pip is made in 0.1 s instead of 3.
    pip = [sys.executable, "-m", "pip", "--python", folder / "bin/python"]
    run(*pip, "install", "--no-deps", "--no-index", "--quiet", wheel, cwd=folder)
    return folder


def test_the_wheel_holds_every_bpf_source_and_both_licences(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {PurePosixPath(name) for name in archive.namelist()}
    assert BPF_SOURCES
    assert {PurePosixPath("ebpftrace") / source for source in BPF_SOURCES} <= names
    assert PurePosixPath("ebpftrace/py.typed") in names
    assert {"LICENSE", "LICENSE.GPL-2.0"} <= {name.name for name in names}


def test_the_wheel_holds_the_schema_of_pprofs_profiles_and_whose_it_is(wheel):
    folder = "ebpftrace/export/formats/profile_proto"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {f"{folder}/{name}" for name in ("profile.binpb", "profile.proto", "README.md")} <= names


def test_the_wheel_and_the_source_distribution_hold_what_pages_are_made_of(distributions, wheel):
    assets = {path.relative_to(ROOT).as_posix() for path in ASSETS.iterdir()}
    assert "ebpftrace/export/formats/assets/flame.html" in assets
    with zipfile.ZipFile(wheel) as archive:
        assert assets <= set(archive.namelist())
    (path,) = distributions.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        assert assets <= {name.partition("/")[2] for name in archive.getnames()}


def test_the_wheel_holds_nothing_outside_the_package(wheel):
    with zipfile.ZipFile(wheel) as archive:
        tops = {PurePosixPath(name).parts[0] for name in archive.namelist()}
    assert tops == {"ebpftrace", f"ebpftrace-{ebpftrace.__version__}.dist-info"}


def test_the_source_distribution_holds_every_bpf_source(distributions):
    (path,) = distributions.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {Path(*Path(name).parts[1:]) for name in archive.getnames()}
    assert names >= BPF_SOURCES


def test_version_runs_from_a_fresh_environment_with_no_dependency_in_it(fresh_environment):
    printed = run(fresh_environment / "bin/ebpftrace", "--version", cwd=fresh_environment)
    assert printed.strip() == f"ebpftrace {ebpftrace.__version__}"


def test_an_installed_package_finds_its_own_bpf_sources(fresh_environment):
    script = "from ebpftrace.kernel import sources; print(sources.folder())"
    found = Path(run(fresh_environment / "bin/python", "-c", script, cwd=fresh_environment).strip())
    assert found.is_relative_to(fresh_environment)
