import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ebpftrace.target.process import Process
from ebpftrace.target.regular import NotRegular
from ebpftrace.target.root import TargetRoot

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="chroot and unshare need root")


@pytest.fixture
def root(tmp_path: Path) -> Iterator[TargetRoot]:
    """A folder that stands for the root directory of a process."""
    root = TargetRoot(os.open(tmp_path, os.O_PATH | os.O_DIRECTORY))
    yield root
    root.close()


def content(fd: int) -> bytes:
    try:
        return os.read(fd, 100)
    finally:
        os.close(fd)


def test_paths_begin_at_the_root_and_links_stay_below_it(root, tmp_path):
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp/file").write_text("here")
    (tmp_path / "absolute").symlink_to("/tmp/file")
    (tmp_path / "upward").symlink_to("../../../../tmp/file")
    for path in ("/tmp/file", "tmp/file", b"/tmp/file", "/../../tmp/file", "absolute", "upward"):
        assert content(root.open_file(path)) == b"here"
    with pytest.raises(FileNotFoundError):
        root.open_file("/etc/passwd")


def test_links_are_followed_only_where_that_is_asked_for(root, tmp_path):
    (tmp_path / "file").write_text("here")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "folder").symlink_to(".")
    assert content(root.open_file("file", follow=False)) == b"here"
    for path in ("link", "folder/file"):
        with pytest.raises(OSError, match="symbolic links"):
            root.open_file(path, follow=False)


@pytest.mark.parametrize("way", ["root/etc/passwd", "cwd/file", "fd/{fd}", "exe", "task/{pid}/exe"])
def test_the_links_of_proc_lead_nowhere(tmp_path, way):
    # They would lead out of any root: to what the tool itself has open, or sees.
    (tmp_path / "file").write_text("here")
    root = TargetRoot(os.open("/", os.O_PATH | os.O_DIRECTORY))
    fd = os.open(tmp_path / "file", os.O_RDONLY)
    try:
        magic = "/proc/self/" + way.format(fd=fd, pid=os.getpid())
        (tmp_path / "link").symlink_to(magic)
        for path in (magic, str(tmp_path / "link")):
            with pytest.raises(OSError, match=r"symbolic links|No such file"):
                root.open_file(path)
        assert content(root.open_file(str(tmp_path / "file"))) == b"here"
    finally:
        os.close(fd)
        root.close()


def test_nothing_but_regular_files_is_ever_opened(root, tmp_path):
    os.mkfifo(tmp_path / "fifo")  # opening it would wait for a writer
    before = len(os.listdir("/proc/self/fd"))
    for path in ("fifo", "/"):
        with pytest.raises(NotRegular):
            root.open_file(path)
    with pytest.raises(OSError, match="No such file"):
        root.open_file("none")
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_descriptor_is_not_inherited(root, tmp_path):
    (tmp_path / "file").touch()
    fd = root.open_file("file")
    assert not os.get_inheritable(fd)
    os.close(fd)


def test_nothing_is_opened_after_closing(root):
    root.close()
    root.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        root.open_file("file")


def sleeper(*before: str) -> subprocess.Popen[bytes]:
    child = subprocess.Popen([*before, "sh", "-c", "echo; exec sleep 60"], stdout=subprocess.PIPE)
    assert child.stdout
    child.stdout.readline()
    return child


def test_a_process_beside_us_has_our_root_and_keeps_it_after_its_end(tmp_path):
    (tmp_path / "file").write_text("here")
    with sleeper() as child:
        try:
            with Process.open(child.pid) as process:
                root = TargetRoot.open(process)
                assert root
                child.kill()
                child.wait()
                assert TargetRoot.open(process) is None
        finally:
            child.kill()
    assert root.is_ours
    assert content(root.open_file(str(tmp_path / "file"))) == b"here"
    root.close()


@needs_root
def test_mounts_of_a_namespace_outlive_its_last_process(tmp_path):
    script = f'mount -t tmpfs none {tmp_path} && echo there > {tmp_path}/file && exec "$@"'
    with sleeper("unshare", "-m", "sh", "-c", script, "sh") as child:
        try:
            with Process.open(child.pid) as process:
                root = TargetRoot.open(process)
        finally:
            child.kill()
    assert root
    assert not root.is_ours
    assert content(root.open_file(f"{tmp_path}/file")) == b"there\n"
    root.close()
    assert not (tmp_path / "file").exists()


@needs_root
def test_another_root_in_our_namespace_is_not_ours(tmp_path):
    inner = "import os, time; os.chroot('/usr'); print(flush=True); time.sleep(60)"
    with subprocess.Popen(["python3", "-c", inner], stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout
            child.stdout.readline()
            with Process.open(child.pid) as process:
                root = TargetRoot.open(process)
        finally:
            child.kill()
    assert root
    assert not root.is_ours
    assert os.path.samestat(os.fstat(root.fd), os.stat("/usr"))
    assert root.inside("/usr/bin/true (deleted)") == "/bin/true (deleted)"
    assert root.inside("/usrbin/true") == "/usrbin/true"
    root.close()
