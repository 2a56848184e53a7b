"""What several unit tests begin with."""

from collections.abc import Iterator

import pytest

from tests.unit.workbench import Workbench


@pytest.fixture
def bench() -> Iterator[Workbench]:
    bench = Workbench()
    yield bench
    bench.close()
