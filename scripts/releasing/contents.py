"""What is in a wheel and in a source distribution, against the tree that they were made of.

Every function gives the differences as sentences, and none where there are none.
"""

import base64
import csv
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

SHARED = {
    "completions/_ebpftrace": "share/zsh/site-functions/_ebpftrace",
    "completions/ebpftrace.bash": "share/bash-completion/completions/ebpftrace",
    "completions/ebpftrace.fish": "share/fish/vendor_completions.d/ebpftrace.fish",
    "docs/ebpftrace.1": "share/man/man1/ebpftrace.1",
}
"""What a wheel installs outside of its package, by its place in the tree."""

_LICENCES = ("LICENSE", "bpf/LICENSE", "bpf/LICENSE.GPL-2.0")
_MADE = ("METADATA", "RECORD", "WHEEL", "entry_points.txt")
_PKG_INFO = "PKG-INFO"


def wheel_differences(wheel: Path, tree: Path, version: str) -> list[str]:
    """The package with the BPF sources, the licences, what `SHARED` says; and nothing else."""
    information = f"ebpftrace-{version}.dist-info"
    wanted = {
        **{name: tree / name for name in _files(tree, "ebpftrace")},
        **{f"ebpftrace/{name}": tree / name for name in _files(tree, "bpf")},
        **{f"{information}/licenses/{name}": tree / name for name in _LICENCES},
        **{f"ebpftrace-{version}.data/data/{to}": tree / name for name, to in SHARED.items()},
    }
    made = {f"{information}/{name}" for name in _MADE}
    with zipfile.ZipFile(wheel) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    return [
        *_compared(found, wanted, made),
        *_recorded(found, f"{information}/RECORD"),
    ]


def sdist_differences(sdist: Path, tree: Path, version: str) -> list[str]:
    """The whole tree, executable where it was, and `PKG-INFO`."""
    wanted = {name: tree / name for name in _files(tree, ".")}
    folder = f"ebpftrace-{version}"
    found: dict[str, bytes] = {}
    wrong = []
    with tarfile.open(sdist) as archive:
        for member in archive:
            top, _, name = member.name.partition("/")
            reader = archive.extractfile(member)
            if top != folder or reader is None:
                wrong.append(f"{member.name} is no file of {folder}")
                continue
            found[name] = reader.read()
            if name in wanted and bool(member.mode & 0o100) != _is_executable(wanted[name]):
                wrong.append(f"{name} has the mode {member.mode:o}")
    return [*_compared(found, wanted, {_PKG_INFO}), *wrong]


def _files(tree: Path, below: str) -> list[str]:
    """Names from `tree` on; not what running the code leaves there."""
    return sorted(
        path.relative_to(tree).as_posix()
        for path in (tree / below).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )


def _is_executable(path: Path) -> bool:
    return bool(path.stat().st_mode & 0o100)


def _compared(
    found: Mapping[str, bytes], wanted: Mapping[str, Path], made: set[str]
) -> Iterator[str]:
    """`made`: what has to be there and is no copy of a file."""
    for name in sorted((made | set(wanted)) - set(found)):
        yield f"{name} is missing"
    for name in sorted(set(found) - made - set(wanted)):
        yield f"{name} should not be there"
    for name in sorted(set(found) & set(wanted)):
        if found[name] != wanted[name].read_bytes():
            yield f"{name} is not the file of the tree"


def _recorded(found: Mapping[str, bytes], record: str) -> Iterator[str]:
    """RECORD has the digest of every file but of itself; pip does not look."""
    rows = csv.reader(io.StringIO(found.get(record, b"").decode()))
    digests = {name: digest for name, digest, *_ in rows}
    for name, content in found.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        if digests.get(name) != ("" if name == record else f"sha256={digest}"):
            yield f"{name} has another digest in RECORD, or none"
