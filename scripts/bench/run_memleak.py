"""Runs bcc's memleak, whose path and arguments follow, so that its attach succeeds every time.

BCC's bindings leave out the last argument of bpf_attach_uprobe (iovisor/bcc#5236), the reference
counter offset: whatever is on the stack there is taken for it, and the kernel mostly refuses. Run by
the Python that has the bindings; nothing else of memleak is changed.
"""

import ctypes
import runpy
import sys
from importlib import import_module


def main() -> None:
    lib = import_module("bcc.libbcc").lib
    attach = lib.bpf_attach_uprobe
    if len(attach.argtypes) == 6:
        attach.argtypes = [*attach.argtypes, ctypes.c_uint32]
        lib.bpf_attach_uprobe = lambda *given: attach(*given, 0)
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
