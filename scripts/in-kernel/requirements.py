#!/usr/bin/env python3
"""Print what ebpftrace and its kernel tests take from the package index, a requirement a line.

requirements.py MACHINE PYTHON: for which machine, as `uname -m` has it, and which Python, 3.13. Needs the
package `packaging`, which pytest brings.
"""

import sys
from importlib import import_module
from pathlib import Path

from packaging.requirements import Requirement

_FOR_TESTS = ("hypothesis", "pytest", "pytest-timeout", "pytest-xdist")


def wanted(machine: str, python: str) -> list[str]:
    """Names with their versions, without the conditions under which they are wanted."""
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    # Python 3.11's, which Debian 12 has; what is checked for 3.10 must not import it by name.
    project = import_module("tomllib").loads(text)["project"]
    tests = map(Requirement, project["optional-dependencies"]["dev"])
    every = [
        *map(Requirement, project["dependencies"]),
        *(t for t in tests if t.name in _FOR_TESTS),
    ]
    there = {"platform_machine": machine, "python_version": python}
    return [
        f"{one.name}{one.specifier}"
        for one in every
        if not one.marker or one.marker.evaluate(there)
    ]


if __name__ == "__main__":
    print("\n".join(wanted(*sys.argv[1:])))
