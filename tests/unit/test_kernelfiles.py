"""Files that the kernel writes, and what has their form but was not written by it."""

from ebpftrace.kernelfiles import counters, read, read_bytes, sizes


def test_sizes_are_the_lines_in_kb_and_no_others():
    text = "Name:\tVmHWM: 9 kB\nVmRSS:\t   12 kB\nThreads:\t4\nPss:  3 kB\nSwap: 1 MB\n"
    assert sizes(text) == {"VmRSS": 12 << 10, "Pss": 3 << 10}


def test_counters_are_the_lines_of_a_name_and_a_number():
    text = f"low 0\noom_kill 2\n\nhalf\nmax x\nfar {'9' * 5000}\nthree 1 2\n"
    assert counters(text) == {"low": 0, "oom_kill": 2}


def test_no_more_is_read_than_was_asked_for(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"12\xff45")
    assert read_bytes(str(path), 3) == b"12\xff"
    assert read(str(path), 3) == "12\udcff"


def test_what_cannot_be_read_is_none(tmp_path):
    assert read_bytes(str(tmp_path), 1) is None
    assert read(str(tmp_path / "none"), 1) is None
    assert read("a\0b", 1) is None
