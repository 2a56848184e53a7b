"""What several unit tests begin with."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit import modes
from tests.unit.debug_builders import Asking, asking, public_folder
from tests.unit.walks import Walker, has_sanitizers
from tests.unit.workbench import Workbench

_SIGNALS = ("SIGINT", "SIGQUIT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGPIPE")


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    """A command that runs in this process leaves them as it ended with: recorders ignore them."""
    before = {
        number: signal.getsignal(number) for number in map(signal.Signals.__getitem__, _SIGNALS)
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def modes_bind() -> Iterator[None]:
    """A file that its mode closes is closed, for root too."""
    with modes.obeyed():
        yield


@pytest.fixture
def bench() -> Iterator[Workbench]:
    bench = Workbench()
    yield bench
    bench.close()


@pytest.fixture(scope="session", params=["optimized", "sanitized"])
def walker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Walker:
    """The kernel side's walk in user space."""
    folder = tmp_path_factory.mktemp(f"walk-{request.param}")
    if request.param == "sanitized" and not has_sanitizers(folder):
        pytest.skip("This compiler has no libasan or no libubsan.")
    return Walker(folder, sanitized=request.param == "sanitized")


@pytest.fixture(scope="module")
def ask() -> Iterator[Asking]:
    """Of the debug information of files; one process for a module of tests."""
    with asking() as one:
        yield one


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that everybody may enter."""
    with public_folder() as one:
        yield one
