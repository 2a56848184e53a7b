"""A start that uses what was compiled before has the same kernel side, without clang and BCC."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.harness import REPOSITORY, TIME_SCALE, Workload, backends, run_tool
from tests.kernel.hosts import bcc_folder, with_mounts

pytestmark = pytest.mark.usefixtures("fresh_cache")

# Says what the kernel side is made of: maps as the kernel tells of them, code with maps by number.
START = """
import json, logging, os, sys
from pathlib import Path
from ebpftrace.host import limits
from ebpftrace.kernel import programs, sizes
from ebpftrace.kernel.build import Build
limits.lift()
forks = []
os.register_at_fork(after_in_parent=lambda: forks.append(1))
chosen = sizes.choose(int(sys.argv[1]) << 20, trace_log=True)
begun = programs.start_compiling(chosen, 127)
compiled = begun.result()
build = Build.of(compiled)
def info(fd):
    kept = ("map_type", "key_size", "value_size", "max_entries", "map_flags", "map_extra")
    lines = Path(f"/proc/self/fdinfo/{fd}").read_text().splitlines()
    return [line.split() for line in lines if line.startswith(kept)]
def name(fd):
    import ctypes, struct
    from ebpftrace.kernel import syscalls
    text = ctypes.create_string_buffer(64)
    syscalls.bpf(syscalls.OBJ_GET_INFO_BY_FD, struct.pack("<IIQ", fd, 64, ctypes.addressof(text)))
    return text.raw[24:40].decode().strip("\\0")
print(json.dumps({
    "maps": {known: [name(fd), *info(fd)] for known, fd in compiled.maps.items()},
    "inheritable": [os.get_inheritable(fd) for fd in compiled.maps.values()],
    "code": {known: code.hex() for known, code in build.code.items()},
    "files": [file.path for file in build.made_by],
    "forks": len(forks),
    "loaded": sorted(path for path in (line.partition("/")[2] for line in open("/proc/self/maps"))
                     if "bcc" in path or "LLVM" in path or "clang" in path),
}))
"""


def start(mib: int = 1024) -> dict[str, Any]:
    ran = subprocess.run(
        [sys.executable, "-c", START, str(mib)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60 * TIME_SCALE,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def files(cache: Path) -> list[Path]:
    return sorted((cache / "ebpftrace" / "compiled").iterdir())


@pytest.mark.everykernel
def test_what_is_used_again_is_what_was_compiled(fresh_cache: Path):
    first, second = start(), start()
    assert (first["forks"], second["forks"]) == (1, 0)
    for part in ("maps", "code", "inheritable", "files"):
        assert second[part] == first[part], part
    assert not any(second["inheritable"])
    assert second["loaded"] == []
    assert len(files(fresh_cache)) == 1
    named = {Path(path).name.split(".")[0].split("-")[0] for path in first["files"]}
    assert {"__init__", "version", "libbcc"} <= named


def test_maps_of_other_sizes_are_those_that_bcc_makes_and_the_code_is_the_same(
    fresh_cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    larger = start(8192)
    smaller = start(4096)  # down to 2.8 GB the array of the rules is the same
    assert smaller["forks"] == 0
    assert len(files(fresh_cache)) == 1
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    compiled = start(4096)
    assert compiled["forks"] == 1
    assert (smaller["maps"], smaller["code"]) == (compiled["maps"], compiled["code"])
    assert larger["maps"]["blocks"] != compiled["maps"]["blocks"]


def test_a_damaged_file_is_compiled_anew(fresh_cache: Path):
    assert start()["forks"] == 1
    (file,) = files(fresh_cache)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2] + b"?" + whole[len(whole) // 2 + 1 :])
    assert start()["forks"] == 1
    assert file.read_bytes() == whole
    assert start()["forks"] == 0


def picture(target: Workload, *options: object, host: tuple[str, ...] = ()) -> dict[str, Any]:
    ended = run_tool("attach", "--json", "--count", 1, *options, "-p", target.pid, user=host)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


def test_without_bcc_all_back_ends_work_with_what_was_compiled_before():
    with Workload("threads", 1, 8) as target:
        first = picture(target)
        for backend in backends():
            hidden = with_mounts(f"mount -t tmpfs none {bcc_folder()}")
            again = picture(target, "--backend", backend, host=hidden)
            assert again["losses"] == first["losses"]
        found = run_tool("doctor", user=with_mounts(f"mount -t tmpfs none {bcc_folder()}"))
    assert found.returncode == 0, found.stdout
    assert "What was compiled before is used" in found.stdout
    assert "attach will work here" in found.stdout


def test_on_a_file_system_that_is_read_only_what_is_there_is_used(fresh_cache: Path):
    first = run_tool("run", "--debug", "--", "true")
    assert "compiling with" in first.stderr
    (file,) = files(fresh_cache)
    before = file.stat().st_mtime_ns
    closed = f"mount --bind {fresh_cache} {fresh_cache}; mount -o remount,bind,ro {fresh_cache}"
    again = run_tool("run", "--debug", "--", "true", user=with_mounts(closed))
    assert again.returncode == 0, again.stderr
    assert "compiled before with BCC" in again.stderr
    assert file.stat().st_mtime_ns == before
