"""BCC's Python bindings, found and imported without side effects.

They come from the distribution (PyPI's `bcc` is an unrelated package), are pure Python over
libbcc.so, and often live outside the path of the Python that runs us.
"""

import importlib.machinery
import importlib.util
import os
import sys
import threading
import types
import warnings
from functools import lru_cache
from pathlib import Path

from ebpftrace.errors import HostRefuses
from ebpftrace.host.release import bcc_again, bcc_package
from ebpftrace.kernel.compilation_failure import fix_for
from ebpftrace.text import clean

_SYSTEM_FOLDERS = (
    "/usr/lib/python3/dist-packages",
    "/usr/local/lib/python3/dist-packages",
    *(f"/usr/lib/python3.{minor}/site-packages" for minor in range(15, 8, -1)),
    *(f"/usr/lib64/python3.{minor}/site-packages" for minor in range(15, 8, -1)),
)
_importing = threading.Lock()


def _find() -> importlib.machinery.ModuleSpec:
    others: list[str] = []
    for folders in (sys.path, list(_SYSTEM_FOLDERS)):
        for folder in folders:
            spec = importlib.machinery.PathFinder.find_spec("bcc", [folder])
            places = (spec.submodule_search_locations if spec else None) or ()
            if spec and any((Path(place) / "libbcc.py").is_file() for place in places):
                return spec
            if spec and spec.origin:  # an empty folder of that name has none
                others += places
    another = f": {clean(others[0])} is another library of that name" if others else ""
    raise HostRefuses(f"The Python module bcc was not found{another}.", bcc_package())


def found() -> Path | None:
    """The file that `bcc` would load; None where BCC is not installed. Nothing is loaded."""
    try:
        origin = _find().origin
    except HostRefuses:
        return None
    return Path(origin) if origin else None


@lru_cache(maxsize=1)
def bcc() -> types.ModuleType:
    """The module `bcc`. HostRefuses where it is missing or its library cannot be loaded.

    Its folder never enters sys.path (it would shadow other packages), its SyntaxWarnings are not
    ours to show, and no byte code is written beside it.
    """
    with _importing:
        if "bcc" in sys.modules and hasattr(sys.modules["bcc"], "BPF"):
            return sys.modules["bcc"]
        spec = _find()
        module = importlib.util.module_from_spec(spec)
        loader = spec.loader
        assert loader is not None
        keep, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        sys.modules["bcc"] = module
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                loader.exec_module(module)
        except (Exception, SystemExit) as error:  # code of others, which may raise anything
            del sys.modules["bcc"]
            raise HostRefuses(
                f"BCC is installed but cannot be loaded: {error}.",
                fix_for(str(error), bcc_again()),
            ) from error
        finally:
            sys.dont_write_bytecode = keep
    return module


def use_headers(folder: Path) -> None:
    """Make BCC compile against our header tree; the running kernel's are never looked for."""
    os.environ["BCC_KERNEL_SOURCE"] = str(folder)
