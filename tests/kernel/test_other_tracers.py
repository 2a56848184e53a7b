"""Another tool's probe at the same address: what the kernel refuses is a sentence with the way out."""

import ctypes
import os
import re
import shutil
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ebpftrace.kernel import features
from ebpftrace.target.modules import open_modules
from ebpftrace.target.process import Process
from tests.kernel.harness import Workload, probed_text, run_tool, workload

PERF_EVENT_OPEN = {"x86_64": 298, "aarch64": 241}[os.uname().machine]


@contextmanager
def reference_counted_probe(pid: int, function: str) -> Iterator[None]:
    """A uprobe as BCC's own attach leaves it: with stack garbage for a reference counter."""
    with Process.open(pid) as process:
        file = next(m for m in open_modules(process) if m.name == process.exe)
        assert file.image
        address = next(s.value for s in file.image.symbols({function}) if s.name == function)
        offset = file.image.file_offset(address)
        assert offset is not None
        path = ctypes.create_string_buffer(file.attach_path.encode())
        attributes = struct.pack(
            "<IIQQQQQIIQQ",
            features.uprobe_events().type,
            112,
            0x1000 << 32,
            1,
            0,
            0,
            0,
            1,
            0,
            ctypes.addressof(path),
            offset,
        ).ljust(112, b"\0")
        call = ctypes.CDLL(None, use_errno=True).syscall
        buffer = ctypes.create_string_buffer(attributes, 112)
        fd = call(PERF_EVENT_OPEN, ctypes.byref(buffer), pid, -1, -1, ctypes.c_ulong(8))
        assert fd >= 0, os.strerror(ctypes.get_errno())
        try:
            yield
        finally:
            os.close(fd)
            file.close()


def test_a_probe_that_holds_the_address_is_named_as_the_reason_and_nothing_is_left(tmp_path: Path):
    """On a file of its own: the libc of this host may be held by whoever else traces."""
    program = shutil.copy(workload("static_prog"), tmp_path)
    with Workload(Path(program)) as target:
        with reference_counted_probe(target.pid, "malloc"):
            before = probed_text(target.pid)
            ran = run_tool("attach", "--json", "-p", target.pid, "--count", "1")
            assert probed_text(target.pid) == before
        assert ran.returncode == 3
        assert re.search(r"Cannot probe .*malloc.* in ", ran.stderr)
        assert "another tracer holds it" in ran.stderr
        assert "Traceback" not in ran.stderr
        assert target.process.poll() is None
