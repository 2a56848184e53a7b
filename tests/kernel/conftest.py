"""Adds to the report of a failed test what its runs of the tool last said and showed.

Also says which tests this machine has no compiler for, and keeps runs of the tool from each other's lines.
"""

import json
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.kernel import harness
from tests.kernel.faults.bench import Bench
from tests.kernel.golden import RUSTC

# Left out and not skipped: no kernel test may be skipped, and few machines have this compiler.
collect_ignore = [] if RUSTC else ["test_lines_rust.py"]
# They look for what is left on the whole host, keep every fork of it waiting, hold every scratch of the kernel
# side, must not share a function with another tracer, or measure: nothing else may run beside them.
_ALONE = frozenset(
    {
        "test_against_gdb",
        "test_cost",
        "test_jumps_session",
        "test_killed",
        "test_leaving",
        "test_other_tracers",
        "test_preempted",
        "test_probe_trials",
        "test_stuck",
        "test_worker",
    }
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.stem in _ALONE:
            item.add_marker(pytest.mark.alone)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for tracer in harness.recent:
            picture = json.dumps(tracer.last.raw) if tracer.last else "none"
            report.sections.append((f"stderr of {tracer.title}", tracer.stderr()))
            report.sections.append((f"last picture of {tracer.title}", picture[:4000]))
    return report


@pytest.fixture(autouse=True, scope="module")
def _forget_other_modules() -> None:
    harness.recent.clear()


@pytest.fixture(autouse=True, scope="session")
def _caches_of_this_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the tool keeps from run to run begins empty: every text is compiled once, whatever the
    user's own cache holds. Workers of pytest-xdist share it.
    """
    base = tmp_path_factory.getbasetemp()
    caches = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "caches"
    caches.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(caches))
        yield


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Lines that another run has kept on disk play no part: this module's runs keep theirs here."""
    cache = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        yield cache


@pytest.fixture(scope="module")
def fault_bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Of this module's faults; what they have left for good is seen at its end."""
    with Bench(tmp_path_factory.mktemp("faults"), seed=1) as bench:
        yield bench
        assert bench.leaked() == []


@pytest.fixture
def fresh_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty one for each test: its files are of the same builds as those of others."""
    cache = tmp_path / "cache"
    cache.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    return cache
