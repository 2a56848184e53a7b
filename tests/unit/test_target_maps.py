import time

import pytest

from ebpftrace.target.maps import parse_maps


def line(
    start=0x1000, end=0x2000, perms="r-xp", offset=0, device="fd:00", inode=7, path=b"/lib/x.so"
) -> bytes:
    head = f"{start:08x}-{end:08x} {perms} {offset:08x} {device} {inode}"
    return head.encode() + (b" " * 10 + path if path else b" ") + b"\n"


def test_a_line_gives_all_its_fields():
    (found,) = parse_maps(line(0x7F0000001000, 0x7F0000002000, "rw-s", 0x3000, "08:01", 42, b"/a"))
    assert (found.start, found.end, found.perms) == (0x7F0000001000, 0x7F0000002000, "rw-s")
    assert (found.offset, found.device, found.inode, found.path) == (0x3000, "08:01", 42, "/a")
    assert found.file_backed
    assert not found.executable


def test_a_path_keeps_spaces_newlines_and_undecodable_bytes():
    (found,) = parse_maps(line(path=b"/tmp/a b\\012c\xff (deleted)"))
    assert found.path == "/tmp/a b\nc\udcff (deleted)"


def test_a_path_that_looks_like_a_mapping_is_still_a_path():
    (found,) = parse_maps(line(path=b"/tmp/1000-2000 r-xp 0 fd:00 9 /etc/passwd"))
    assert found.path.startswith("/tmp/1000-2000")


@pytest.mark.parametrize("path", [b"[vdso]", b"[heap]", b"[uprobes]"])
def test_names_of_the_kernels_are_special_and_no_files(path):
    (found,) = parse_maps(line(inode=0, path=path))
    assert found.special
    assert not found.file_backed


def test_anonymous_memory_has_no_path():
    (found,) = parse_maps(line(inode=0, path=b""))
    assert found.path == ""
    assert not found.special


@pytest.mark.parametrize(
    "junk",
    [b"nonsense\n", b"1000-2000 r-xp", b"10000000000000000-2 r-xp 0 0:0 1 x\n", b"\0" * 50 + b"\n"],
)
def test_what_is_no_mapping_is_left_out(junk):
    assert len(parse_maps(line() + junk)) == 1


def test_seventy_thousand_mappings_parse_in_a_second():
    text = b"".join(line(n << 13, (n << 13) + 4096) for n in range(70_000))
    start = time.perf_counter()
    assert len(parse_maps(text)) == 70_000
    # 0.2 s on a quiet machine.
    assert time.perf_counter() - start < 2
