"""What works anywhere: the command line itself, and reading what was recorded."""

import json
from pathlib import Path

from ebpftrace.cli.main import COMMANDS
from scripts.releasing.environment import Environment, Failed
from scripts.releasing.table import Table

_NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--"]
_IMPORT_ALL = """
import importlib, pkgutil, ebpftrace
names = [one.name for one in pkgutil.walk_packages(ebpftrace.__path__, "ebpftrace.")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
print(len(names))
"""


def check(
    table: Table,
    subject: str,
    environment: Environment,
    version: str,
    recording: Path,
    *,
    as_nobody: bool,
) -> None:
    """`as_nobody`: reading is done by a user who may do nothing, as it may be on a laptop."""
    as_user = _NOBODY if as_nobody else []

    def versioned() -> str:
        said = environment.output(environment.tool("--version")).strip()
        if said != f"ebpftrace {version}":
            raise Failed(f"it says {said!r}")
        return said

    def helped() -> str:
        for command in COMMANDS:
            said = environment.output(environment.tool(command.name, "--help"))
            if f"usage: ebpftrace {command.name}" not in said:
                raise Failed(f"{command.name} --help says {said[:60]!r}")
        return f"of {len(COMMANDS)} commands"

    def imported() -> str:
        count = environment.output([environment.program("python"), "-c", _IMPORT_ALL]).strip()
        return f"{count} modules"

    def reported() -> str:
        command = environment.tool("report", recording, "--json")
        found = json.loads(environment.output([*as_user, *command]))
        sites = len(found["picture"]["sites"]) if "picture" in found else len(found["sites"])
        if not sites:
            raise Failed("there is no call site in it")
        return f"{sites} call sites{' by a user without rights' if as_nobody else ''}"

    def exported() -> str:
        command = environment.tool("export", recording, "-f", "html", "-o", "-")
        page = environment.output([*as_user, *command])
        if "</html>" not in page:
            raise Failed("the page has no end")
        return f"a page of {len(page):,} characters"

    table.check(subject, "--version", versioned)
    table.check(subject, "--help", helped)
    table.check(subject, "every module is imported", imported)
    table.check(subject, "report", reported)
    table.check(subject, "export -f html", exported)
