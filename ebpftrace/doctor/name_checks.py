"""Will code have names, files and lines? Nothing of this keeps `attach` from working."""

from importlib import metadata
from importlib.util import find_spec

from ebpftrace.host.check import Check, note, ok
from ebpftrace.symbols.resolver.client import Resolver, ResolverGone

_INSTALL = "Install the Python package drgn, 0.1 or newer (in a checkout scripts/setup does it)."
_CONFINE = "Run it as a user of its own, or grant CAP_SETUID and CAP_SETGID."


def check_demangling() -> Check:
    """The package that does it wants a newer Python than the rest."""
    if find_spec("demangle") is None:
        return note(
            "demangling",
            "C++, Rust, D and Swift names are shown as the linker has them",
            "Install the package demangle; it needs Python 3.11.",
        )
    return ok("demangling", f"demangle {_version('demangle')}")


def check_lines() -> Check:
    """Start the process that looks lines up."""
    resolver = Resolver()
    try:
        resolver.start()
    except ResolverGone as error:
        # Root that may not become another user owns too much to read a target's files.
        fix = _CONFINE if "confined" in str(error) else _INSTALL
        return note("lines", f"frames have no files and lines: {error}", fix)
    finally:
        resolver.stop()
    return ok("lines", f"drgn {_version('drgn')} reads debug information in a confined process")


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "of unknown version"
