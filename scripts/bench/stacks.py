"""The tool's call stacks against gdb's on live programs, as a table.

Each program is stopped by gdb at random mallocs, then traced until the tool has seen the same stacks
or ten seconds are over. `left out`: what could not be compared, and why. `complete` to `cut early`:
shares of the allocations that the tool saw.
"""

import argparse
import sys

from scripts.bench.figures import narrate, table
from tests.kernel.gdbstacks.comparison import HEADS
from tests.kernel.gdbstacks.programs import SUBJECTS
from tests.kernel.gdbstacks.run import run


def _arguments() -> argparse.Namespace:
    names = [subject.name for subject in SUBJECTS]
    parser = argparse.ArgumentParser(prog="compare-stacks", description=__doc__)
    parser.add_argument("programs", nargs="*", metavar="PROGRAM", help=f"(all: {' '.join(names)})")
    parser.add_argument("--stops", type=int, default=40, help="of each program (40)")
    parser.add_argument("--seed", type=int, help="where gdb stops (drawn, and told)")
    given = parser.parse_args()
    if unknown := set(given.programs) - set(names):
        parser.error(f"no such program: {', '.join(sorted(unknown))}")
    return given


def main() -> int:
    given = _arguments()
    rows, status = [], 0
    for subject in SUBJECTS:
        if given.programs and subject.name not in given.programs:
            continue
        narrate("compare-stacks", subject.name)
        try:
            result = run(subject, given.stops, given.seed)
        except AssertionError as error:
            narrate("compare-stacks", f"{subject.name} could not be compared: {error}")
            status = 1
            continue
        if not result.comparison.exact:
            narrate("compare-stacks", f"{subject.name}: {result.report}")
            status = 1
        rows.append(result.comparison.cells())
    if rows:
        print(table(HEADS, rows))
    return status


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
