"""Boots kernels, runs the tests marked for them there, and makes the table of what each can do.

Leaves booting to run-in-kernel, what is tried to `ebpftrace doctor`, and the text of the table to `table`.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.kernels import guests, table

KERNELS = ("5.10", "6.1", "6.12", "6.18", "7.2", "6.12-arm64")
"""Debian's: of 11, 12, 13, 13's backports and sid; 7.2 is the newest."""
_MARK = "ebpftrace-features: "
_NO_STATUS = 125
"""Of run-in-kernel."""
_MORE_BOOTS = 2
"""Emulated processors that run side by side may run the int3 of a jump label after the kernel has patched it
away, and 6.18 and 7.2 then stop at "Oops: int3". On one thread they take three times as long."""


@dataclass(slots=True)
class Ran:
    """What came of one kernel: its features by their names, and whether its tests have passed."""

    kernel: str
    features: dict[str, dict[str, Any]] = field(default_factory=dict)
    passed: bool = False
    never_ended: bool = False
    """Did the guest end before its tests?"""


def run(kernel: str, *, tests: str | None) -> Ran:
    """Boot it; `tests` are the marks of those to run, None for none. All that it says goes to stderr."""
    print(f"== {kernel}", file=sys.stderr, flush=True)
    if tests is not None:
        guests.build_workloads(kernel)
    ran = _booted(kernel, tests)
    for _ in range(_MORE_BOOTS):
        if not ran.never_ended:
            break
        print(f"kernel-matrix: {kernel} is booted again", file=sys.stderr, flush=True)
        ran = _booted(kernel, tests)
    return ran


def _booted(kernel: str, tests: str | None) -> Ran:
    ran = Ran(kernel)
    command = guests.command(kernel, _MARK, tests)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace") as guest:
        assert guest.stdout
        for line in guest.stdout:
            if line.startswith(_MARK):
                found = json.loads(line.removeprefix(_MARK))["features"]
                ran.features = {feature["name"]: feature for feature in found}
            else:
                print(line, end="", file=sys.stderr, flush=True)
    ran.passed = guest.returncode == 0 and bool(ran.features)
    ran.never_ended = guest.returncode == _NO_STATUS
    return ran


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="kernel-matrix", description=__doc__)
    parser.add_argument("kernels", nargs="*", metavar="KERNEL", default=KERNELS)
    parser.add_argument("--features-only", action="store_true", help="run no tests")
    parser.add_argument("--all", action="store_true", help="the tests marked `everykernel`, too")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--markdown", type=Path, metavar="FILE", help="write the table into FILE")
    where.add_argument("--check", type=Path, metavar="FILE", help="compare the table with FILE's")
    return parser.parse_args()


def main() -> int:
    """Exit status 1: a kernel did not boot, a test failed, or the table is out of date."""
    given = _arguments()
    document = given.markdown or given.check
    before = table.read(document.read_text()) if document else table.Table()
    made = before.copy()
    failed = []
    for kernel in given.kernels:
        tests = None if given.features_only else guests.marks(kernel, every=given.all)
        ran = run(kernel, tests=tests)
        if not ran.passed:
            failed.append(kernel)
        made.put(kernel, ran.features)
    print(made.text())
    if given.markdown:
        document.write_text(table.replaced(document.read_text(), made))
    elif given.check and (changes := before.changes(made)):
        print(f"kernel-matrix: {document} is out of date; run it with --markdown:", file=sys.stderr)
        print("\n".join(changes), file=sys.stderr)
        return 1
    if failed:
        print(f"kernel-matrix: failed on {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
