"""The file that a command makes: every kind of place that its name may lead to."""

import gzip
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import zstandard

from ebpftrace.cli.output import Output
from ebpftrace.errors import UsageError

REPOSITORY = Path(__file__).parents[2]
DATA = b"some data\n" * 500_000


def output(path, **given):
    return Output(str(path), **{"packed": False, "force": False, **given})


def write(path, data=DATA, **given):
    return output(path, **given).write(lambda out: out.write(data))


def refused(path, **given):
    """The sentence, which names the file; nothing else is there afterwards."""
    with pytest.raises(UsageError) as error:
        write(path, **given)
    assert str(path) in str(error.value)
    return str(error.value)


def names(folder):
    return sorted(one.name for one in folder.iterdir())


# --- a regular file -------------------------------------------------------------------------------


def test_a_file_is_written_with_a_mode_by_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        assert write(tmp_path / "out") == len(DATA)
    finally:
        os.umask(before)
    assert (tmp_path / "out").read_bytes() == DATA
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o640
    assert names(tmp_path) == ["out"]


def test_a_file_that_is_there_is_replaced_with_force_only_and_keeps_its_mode(tmp_path):
    path = tmp_path / "out"
    path.write_bytes(b"old")
    path.chmod(0o600)
    assert "is there already. Give --force" in refused(path)
    assert path.read_bytes() == b"old"
    write(path, force=True)
    assert path.read_bytes() == DATA
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert names(tmp_path) == ["out"]


def test_a_file_that_came_meanwhile_is_not_replaced(tmp_path):
    path = tmp_path / "out"

    def made(out):
        out.write(DATA)
        path.write_bytes(b"another's")

    with pytest.raises(UsageError, match="is there already"):
        output(path).write(made)
    assert path.read_bytes() == b"another's"
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("force", [False, True])
def test_until_all_is_written_the_old_file_is_there_and_a_new_one_is_not(tmp_path, force):
    path = tmp_path / "out"
    if force:
        path.write_bytes(b"old")
    before = names(tmp_path)

    def made(out):
        out.write(DATA)
        out.flush()
        assert path.read_bytes() == b"old" if force else not path.exists()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        output(path, force=force).write(made)
    assert names(tmp_path) == before
    assert not force or path.read_bytes() == b"old"


def test_a_directory_is_no_file(tmp_path):
    assert "it is a directory" in refused(tmp_path)
    assert "no name of a file" in refused(f"{tmp_path}/new/")
    assert "no name of a file" in refused("")
    assert names(tmp_path) == []


def test_a_missing_folder_is_not_made(tmp_path):
    assert "Make that directory first" in refused(tmp_path / "no" / "out")
    assert "Not a directory" in refused("/dev/null/out")
    assert names(tmp_path) == []


def test_a_name_that_cannot_be_is_a_sentence(tmp_path):
    assert "name too long" in refused(tmp_path / ("x" * 300))
    assert "null" in refused("a\0b")
    assert names(tmp_path) == []


def test_a_folder_that_may_not_be_written_is_a_sentence():
    said = refused("/proc/self/out")  # not even by root
    assert "cannot be written" in said


# --- links ----------------------------------------------------------------------------------------


def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path):
    folder = tmp_path / "real"
    folder.mkdir()
    link, second = tmp_path / "link", tmp_path / "second"
    link.symlink_to("real/out")
    second.symlink_to(link)
    write(second)  # leads to no file as yet
    assert (folder / "out").read_bytes() == DATA
    assert "is there already" in refused(second)
    write(second, b"new", force=True)
    assert (folder / "out").read_bytes() == b"new"
    assert link.is_symlink()
    assert second.is_symlink()
    assert names(folder) == ["out"]


def test_a_link_of_another_user_is_not_followed(tmp_path, monkeypatch):
    link = tmp_path / "link"
    link.symlink_to("elsewhere")
    monkeypatch.setattr(os, "geteuid", lambda: link.lstat().st_uid + 1)
    if link.lstat().st_uid == 0:  # root's are followed by everybody
        os.chown(link, 1, 1, follow_symlinks=False)
        monkeypatch.undo()
    assert "a symbolic link of another user" in refused(link)
    assert names(tmp_path) == ["link"]


def test_links_in_a_circle_end(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert "Too many levels" in refused(tmp_path / "a")


# --- what is no regular file ----------------------------------------------------------------------


def test_devices_and_pipes_are_written_through(tmp_path):
    assert write("/dev/null") == len(DATA)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    found = []
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()))
    reader.start()
    assert write(pipe) == len(DATA)
    reader.join()
    assert found == [DATA]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_full_disk_is_a_sentence():
    assert "No space left on device. Free space there" in refused("/dev/full")


def test_a_reader_that_has_gone_is_no_error(tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        assert write(f"/dev/fd/{writing}") is None
        assert write(f"/proc/self/fd/{writing}", packed=True) is None
    finally:
        os.close(writing)


def test_a_descriptor_is_written_where_it_stands(tmp_path):
    with (tmp_path / "out").open("wb") as file:
        file.write(b"before\n")
        file.flush()
        assert write(f"/dev/fd/{file.fileno()}", b"data\n") == 5
    assert (tmp_path / "out").read_bytes() == b"before\ndata\n"
    assert "Bad file descriptor" in refused("/dev/fd/999")


def test_what_is_packed_is_not_for_a_terminal():
    master, terminal = os.openpty()
    try:
        for given in ({"packed": True}, {}):
            path = f"/proc/self/fd/{terminal}"
            if given:
                with pytest.raises(UsageError, match="not for a terminal"):
                    write(path, b"data", **given)
            else:
                assert write(path, b"data") == 4
    finally:
        os.close(master)
        os.close(terminal)


# --- packed by its name ---------------------------------------------------------------------------


def test_the_name_says_how_it_is_packed(tmp_path):
    for end, unpack in ((".gz", gzip.decompress), (".zst", unpack_zstd)):
        path = tmp_path / f"out{end}"
        size = write(path)
        assert size == path.stat().st_size < len(DATA) / 100
        assert unpack(path.read_bytes()) == DATA
    assert gzip.decompress((tmp_path / "out.gz").read_bytes()) == DATA


def unpack_zstd(packed):
    return zstandard.ZstdDecompressor().decompressobj().decompress(packed)


def test_the_same_data_packed_is_the_same_file(tmp_path, monkeypatch):
    for name, now in (("a.gz", 1e9), ("b.gz", 1.5e9)):
        monkeypatch.setattr("time.time", lambda now=now: now)
        write(tmp_path / name)
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


def test_what_is_gzip_already_is_not_packed_again(tmp_path):
    packed = gzip.compress(DATA)
    write(tmp_path / "out.gz", packed, packed=True)
    assert (tmp_path / "out.gz").read_bytes() == packed
    assert "packed twice" in refused(tmp_path / "out.zst", packed=True)
    assert names(tmp_path) == ["out.gz"]


@pytest.mark.parametrize("end", [".gz", ".zst"])
def test_what_fails_half_way_does_not_look_whole_to_who_reads_a_pipe(tmp_path, end):
    pipe = tmp_path / f"pipe{end}"
    os.mkfifo(pipe)
    found = []
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()))
    reader.start()

    def made(out):
        out.write(os.urandom(3 << 20))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        output(pipe).write(made)
    reader.join()
    if end == ".gz":
        with pytest.raises(EOFError):
            gzip.decompress(found[0])
    else:
        unpacker = zstandard.ZstdDecompressor().decompressobj()
        unpacker.decompress(found[0])
        assert not unpacker.eof


# --- in a process of its own ----------------------------------------------------------------------

LIMITED = """
import resource, sys
from ebpftrace.cli.output import Output
from ebpftrace.errors import UsageError
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
try:
    Output(sys.argv[1], packed=False, force=True).write(lambda out: out.write(bytes(4 << 20)))
except UsageError as error:
    print(error)
"""


def test_a_file_that_grows_too_large_leaves_the_old_one_and_nothing_else(tmp_path):
    path = tmp_path / "out"
    path.write_bytes(b"old")
    ended = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert "cannot be written: File too large." in ended.stdout
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["out"]


IN_A_NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")
FULL = """
import sys
from ebpftrace.cli.output import Output
from ebpftrace.errors import UsageError
for name, force in (("out", True), ("new", False), ("new.gz", False)):
    try:
        Output(f"{sys.argv[1]}/{name}", packed=True, force=force).write(
            lambda out: out.write(bytes(1 << 20))
        )
    except UsageError as error:
        print(error)
"""


@pytest.mark.skipif(
    subprocess.run([*IN_A_NAMESPACE, "true"], capture_output=True, check=False).returncode != 0,
    reason="this host lets nobody mount a file system of his own",
)
def test_a_disk_that_fills_up_keeps_the_old_file_and_nothing_of_the_new_one(tmp_path):
    script = 'mount -t tmpfs -o size=64k full "$1"; echo old >"$1"/out; "$2" -c "$3" "$1"; ls "$1"; cat "$1"/out'
    ended = subprocess.run(
        [*IN_A_NAMESPACE, "sh", "-ec", script, "sh", str(tmp_path), sys.executable, FULL],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    lines = ended.stdout.splitlines()
    assert [line.count("cannot be written: No space left on device.") for line in lines[:3]] == [
        1
    ] * 3
    assert lines[3:] == ["out", "old"]
