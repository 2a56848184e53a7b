"""Builds what is released, out of the commit alone, and tries it as a user would: scripts/release.

A wheel and a source distribution, twice and in other surroundings, which have to be the same bytes; their
contents and metadata; then the wheel in fresh environments: of the distribution's Python with everything that
ebpftrace does, of every other Python that is here with the main things, and of the oldest one with the oldest
versions of what is required.
"""

import argparse
import hashlib
import shutil
import signal
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path

from scripts.bench.command import run
from scripts.bench.figures import narrate
from scripts.releasing import capturing, documents, metadata, reading
from scripts.releasing.building import ELSEWHERE, HERE, Distributions, build
from scripts.releasing.contents import SHARED, sdist_differences, wheel_differences
from scripts.releasing.environment import Environment, Failed
from scripts.releasing.pythons import Python, pythons
from scripts.releasing.table import Table, refuse
from scripts.releasing.tree import Commit, NotReady, export, ready

ROOT = Path(__file__).parents[2]
_RECORDING = "tests/recordings/shop.jsonl.gz"
_BUILT = "built"


class Release:
    """Of one commit, in a folder that is thrown away."""

    def __init__(self, commit: Commit, folder: Path, *, released: bool) -> None:
        self.table = Table()
        self._commit = commit
        self._folder = folder
        self._released = released
        self._tree = export(ROOT, commit, folder / "tree")

    def built(self) -> Distributions:
        """What is to be released. NotReady where it cannot be built at all."""
        out, version = self._folder / "dist", self._commit.version
        made = build(self._tree, out, self._commit.epoch, HERE)
        other_tree = export(ROOT, self._commit, self._folder / "elsewhere" / "another-tree")
        again = build(
            other_tree,
            self._folder / "again",
            self._commit.epoch,
            ELSEWHERE,
            ("--sdist", "--wheel"),
        )

        def same() -> str:
            refuse([f"{one.name} differs" for one, other in zip(made, again, strict=True)
                    if one.read_bytes() != other.read_bytes()])  # fmt: skip
            return "the same bytes elsewhere; the wheel is that of the source distribution"

        def wheel() -> str:
            refuse(wheel_differences(made.wheel, self._tree, version))
            return f"{made.wheel.name}, {made.wheel.stat().st_size:,} bytes"

        def sdist() -> str:
            refuse(sdist_differences(made.sdist, self._tree, version))
            return f"{made.sdist.name}, {made.sdist.stat().st_size:,} bytes"

        self.table.check(_BUILT, "built twice", same)
        self.table.check(
            _BUILT, "wheel: package, bpf/, licences, page, completions; no more", wheel
        )
        self.table.check(_BUILT, "source distribution: the commit; no more", sdist)
        return made

    def leaking(self) -> AbstractContextManager[int]:
        """A process to try it on."""
        return capturing.leaking(self._tree)

    def described(self, made: Distributions, here: list[Python]) -> None:
        def said() -> str:
            try:
                found = metadata.of_wheel(made.wheel)
            except Exception as error:
                raise Failed(f"not valid: {error}") from error
            series = [python.series for python in here]
            refuse(metadata.differences(found, self._tree, self._commit.version, series))
            return (
                f"valid, {len(found.classifiers or ())} classifiers, no bcc among what it requires"
            )

        self.table.check(_BUILT, "metadata", said)

    def tried(
        self, made: Distributions, python: Python, pid: int | None, *, oldest: bool = False
    ) -> None:
        """Install the wheel for one Python. `oldest`: with the oldest versions of what it requires."""
        full = python.is_distributions and not oldest
        subject = f"Python {python.name}{', the oldest that is required' if oldest else ''}"
        environment = Environment(
            python, self._folder / f"python-{python.name}{'-oldest' * oldest}"
        )

        def installed() -> str:
            constraints = metadata.oldest(metadata.of_wheel(made.wheel)) if oldest else ()
            environment.install(made.wheel, constraints)
            said = environment.output([environment.program("python"), "-m", "pip", "check"])
            return said.strip()

        if not self.table.check(subject, "pip install", installed):
            return
        recording = self._tree / _RECORDING
        reading.check(
            self.table, subject, environment, self._commit.version, recording,
            as_nobody=full and pid is not None,
        )  # fmt: skip
        if pid is None:
            self.table.leave_out(
                subject, "attach and all that needs BPF", capturing.why_not() or ""
            )
        elif full:
            capturing.check_all(self.table, subject, environment, pid)
        else:
            capturing.check_attach(self.table, subject, environment, pid)
        if full:
            documents.check(self.table, subject, environment, released=self._released)
            self.table.check(subject, "pip uninstall leaves nothing", lambda: _removed(environment))


def _removed(environment: Environment) -> str:
    pip = [
        environment.program("pip"),
        "--disable-pip-version-check",
        "uninstall",
        "--quiet",
        "--yes",
    ]
    environment.output([*pip, "ebpftrace"])
    left = [path for path in environment.folder.rglob("*") if "ebpftrace" in path.name]
    refuse([f"{path} is left" for path in left])
    refuse([f"{path} is left" for path in SHARED.values() if (environment.folder / path).exists()])
    return "no file of that name"


def main() -> int:
    parser = argparse.ArgumentParser(prog="release", description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="where to (dist)")
    parser.add_argument(
        "--unreleased",
        action="store_true",
        help="try it all before the changelog has a heading for the version",
    )
    parser.add_argument(
        "--available", action="store_true", help="no failure where something cannot be checked here"
    )
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what is in /tmp goes, too
    commit = ready(ROOT, unreleased=given.unreleased)
    narrate("release", f"ebpftrace {commit.version} of {commit.name[:12]}")
    with tempfile.TemporaryDirectory(prefix="ebpftrace-release-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # one who may do nothing runs what is installed there
        release = Release(commit, folder, released=not given.unreleased)
        made = release.built()
        _try(release, made)
        print(release.table.text())
        if status := release.table.status(available=given.available):
            return status
        given.output.mkdir(parents=True, exist_ok=True)
        for path in made:
            shutil.copy(path, given.output)
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            print(f"{digest}  {given.output / path.name}")
    return 0


def _try(release: Release, made: Distributions) -> None:
    here = pythons()
    if not any(python.is_distributions for python in here):
        raise NotReady(
            "The distribution has no Python that is new enough, and BCC comes with that."
        )
    release.described(made, here)
    if capturing.why_not():
        _try_all(release, made, here, None)
        return
    with release.leaking() as pid:
        _try_all(release, made, here, pid)


def _try_all(release: Release, made: Distributions, here: list[Python], pid: int | None) -> None:
    for python in sorted(here, key=lambda one: not one.is_distributions):
        release.tried(made, python, pid)
    release.tried(made, here[0], pid, oldest=True)


if __name__ == "__main__":
    run("release", main)
