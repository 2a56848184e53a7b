"""Adds to the report of a failed test what its runs of the tool last said and showed."""

import json
from collections.abc import Generator

import pytest

from tests.kernel import harness


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for tracer in harness.recent:
            picture = json.dumps(tracer.last.raw, indent=1) if tracer.last else "none"
            report.sections.append((f"stderr of {tracer.title}", tracer.stderr()))
            report.sections.append((f"last picture of {tracer.title}", picture[:20000]))
    return report


@pytest.fixture(autouse=True, scope="module")
def _forget_other_modules() -> None:
    harness.recent.clear()
