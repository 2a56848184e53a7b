"""What several unit tests begin with."""

from collections.abc import Iterator

import pytest

from tests.unit.walks import Walker, has_sanitizers
from tests.unit.workbench import Workbench


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
