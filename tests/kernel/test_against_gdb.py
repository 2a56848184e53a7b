"""The tool's stacks are gdb's, frame by frame, on real programs: C and C++, glibc and jemalloc."""

import pytest

from scripts.bench.figures import table
from tests.kernel.gdbstacks.comparison import HEADS
from tests.kernel.gdbstacks.programs import SUBJECTS, Subject
from tests.kernel.gdbstacks.run import run

STOPS = 30


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_every_stack_that_gdb_walks_to_its_end_is_one_of_the_tools(
    subject: Subject, capsys: pytest.CaptureFixture[str]
):
    result = run(subject, STOPS)
    with capsys.disabled():  # the share is to be seen also where all is well
        print("\n" + table(HEADS, [result.comparison.cells()]))
    assert result.comparison.exact, result.report
