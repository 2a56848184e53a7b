#!/usr/bin/env python3
"""Write an initramfs to stdout: busybox, an init, and the modules a virtiofs overlay root needs.

    initramfs.py KERNEL_TREE BUSYBOX INIT

KERNEL_TREE holds an unpacked kernel package. Used by run-in-kernel; needs no package of ours.
"""

import lzma
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

NEEDED_MODULES = ("virtio_pci", "virtiofs", "overlay")
FOLDERS = ("bin", "dev", "proc", "sys", "modules", "layer", "lower", "new", "run")
APPLETS = ("sh", "mount", "insmod", "mkdir", "ln", "sleep", "switch_root")
FOLDER, PROGRAM, FILE, LINK, CHARACTER_DEVICE = 0o40755, 0o100755, 0o100644, 0o120777, 0o20600


class Archive:
    """A cpio archive in the `newc` format, the only one the kernel unpacks."""

    def __init__(self) -> None:
        self._records: list[bytes] = []

    def add(
        self, name: str, mode: int, data: bytes = b"", device: tuple[int, int] = (0, 0)
    ) -> None:
        """Append one entry; `mode` holds the file type, `device` is (major, minor)."""
        path = name.encode() + b"\0"
        inode = len(self._records) + 1
        # Inode, mode, owner, group, links, time, size, device of the archive (two), device of the
        # node (two), length of the name, checksum (unused).
        fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(path), 0)
        header = b"070701" + b"".join(b"%08X" % field for field in fields)
        self._records.append(padded(header + path) + padded(data))

    def finish(self) -> bytes:
        """Return the whole archive with its end mark."""
        self.add("TRAILER!!!", 0)
        return b"".join(self._records)


def padded(data: bytes) -> bytes:
    """Fill up to a multiple of four bytes."""
    return data + b"\0" * (-len(data) % 4)


def read_module(path: Path) -> bytes:
    """Return the module as the kernel takes it: uncompressed."""
    data = path.read_bytes()
    if path.suffix == ".xz":
        return lzma.decompress(data)
    if path.suffix == ".zst":
        return subprocess.run(
            ["zstd", "-dcq"], input=data, stdout=subprocess.PIPE, check=True
        ).stdout
    return data


def dependencies(module: bytes) -> Iterator[str]:
    """Yield the names in the `depends` field of a module's .modinfo section."""
    _, found, rest = module.partition(b"\0depends=")
    if found:
        yield from filter(None, rest[: rest.index(b"\0")].decode().split(","))


def modules_in_order(tree: Path) -> dict[str, bytes]:
    """Return the needed modules, each behind those it depends on; what is built in is left out."""
    files = {path.name.partition(".ko")[0].replace("-", "_"): path for path in tree.rglob("*.ko*")}
    ordered: dict[str, bytes] = {}

    def add(name: str) -> None:
        name = name.replace("-", "_")
        if name in ordered or name not in files:
            return
        module = read_module(files[name])
        for dependency in dependencies(module):
            add(dependency)
        ordered[name] = module

    for name in NEEDED_MODULES:
        add(name)
    return ordered


def build(tree: Path, busybox: Path, init: Path) -> bytes:
    """Return the archive."""
    archive = Archive()
    for folder in FOLDERS:
        archive.add(folder, FOLDER)
    archive.add("dev/console", CHARACTER_DEVICE, device=(5, 1))
    archive.add("bin/busybox", PROGRAM, busybox.read_bytes())
    for applet in APPLETS:
        archive.add(f"bin/{applet}", LINK, b"busybox")
    modules = modules_in_order(tree)
    for name, data in modules.items():
        archive.add(f"modules/{name}.ko", FILE, data)
    archive.add("modules/order", FILE, "".join(f"{name}\n" for name in modules).encode())
    archive.add("init", PROGRAM, init.read_bytes())
    return archive.finish()


if __name__ == "__main__":
    sys.stdout.buffer.write(build(*(Path(argument) for argument in sys.argv[1:])))
