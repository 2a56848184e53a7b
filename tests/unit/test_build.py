"""What is kept of a compilation comes back as it was, or is refused."""

import errno
import json
import os
import struct
from hashlib import sha256
from typing import Any

import pytest

from ebpftrace.errors import HostRefuses
from ebpftrace.kernel import syscalls
from ebpftrace.kernel.build import Build, Damaged, packed, unpacked
from ebpftrace.kernel.compiler import Compiled, Unit
from ebpftrace.kernel.compiler_files import FileIdentity
from ebpftrace.kernel.instructions import RETURN_0, map_load
from tests.unit.build_builders import BUILD, CODE, KEY, MAPS, UNIT
from tests.unit.hostile import HOSTILE


def damaged(data: bytes) -> bool:
    try:
        unpacked(data, KEY, UNIT)
    except Damaged:
        return True
    return False


def body() -> dict[str, Any]:
    return json.loads(packed(BUILD, KEY).split(b"\n", 1)[1])


def with_body(fields: object) -> bytes:
    """A build with another body, and the checksum of that."""
    head = packed(BUILD, KEY).split(b"\n", 1)[0]
    text = json.dumps(fields).encode()
    return b" ".join([*head.split()[:-1], sha256(text).hexdigest().encode()]) + b"\n" + text


def test_a_build_comes_back_as_it_was():
    assert unpacked(packed(BUILD, KEY), KEY, UNIT) == BUILD


@pytest.mark.parametrize("name", HOSTILE)
def test_the_files_of_a_compiler_may_have_any_name(name):
    build = Build(MAPS, {"enter": CODE}, name, (FileIdentity(f"/{name}", 0, 0),))
    assert unpacked(packed(build, KEY), KEY, UNIT) == build


def test_a_build_of_another_key_is_refused():
    assert damaged(packed(BUILD, "5f" * 32))


def test_every_byte_that_differs_is_found():
    data = packed(BUILD, KEY)
    for at in range(len(data)):
        for flip in (1, 0x80):
            assert damaged(data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :]), at


def test_a_build_that_is_cut_short_or_goes_on_is_refused():
    data = packed(BUILD, KEY)
    assert all(damaged(data[:length]) for length in range(len(data)))
    assert damaged(data + b" ")


@pytest.mark.parametrize(
    "change",
    [
        lambda fields: fields["maps"].pop(),
        lambda fields: fields["maps"].reverse(),
        lambda fields: fields["maps"].append(fields["maps"][0]),
        lambda fields: fields["maps"][0].pop(),
        lambda fields: fields["maps"][0].append(1),
        lambda fields: fields["maps"][0].__setitem__(0, 1),
        lambda fields: fields["maps"][0].__setitem__(3, -1),
        lambda fields: fields["maps"][0].__setitem__(3, 1 << 32),
        lambda fields: fields["maps"][0].__setitem__(3, "4"),
        lambda fields: fields["maps"][0].__setitem__(3, 4.0),
        lambda fields: fields["maps"][0].__setitem__(3, True),
        lambda fields: fields["code"].clear(),
        lambda fields: fields["code"].update(enter=""),
        lambda fields: fields["code"].update(enter="AAAA"),
        lambda fields: fields["code"].update(enter="!" * 12),
        lambda fields: fields["code"].update(enter=None),
        lambda fields: fields.update(bcc=26),
        lambda fields: fields.update(files=[["/lib/bcc", 9]]),
        lambda fields: fields.update(files=[["/lib/bcc", 9, -7]]),
        lambda fields: fields.update(files=[[7, 9, 9]]),
    ],
)
def test_what_is_whole_and_yet_no_build_of_these_programs_is_refused(change):
    fields = body()
    assert not damaged(with_body(fields))
    change(fields)
    assert damaged(with_body(fields))


@pytest.mark.parametrize("fields", [[], 7, {}, None, "text"])
def test_what_is_whole_and_no_object_is_refused(fields):
    assert damaged(with_body(fields))


def test_code_that_names_a_map_there_is_not_is_refused():
    build = Build(MAPS, {"enter": map_load(1, 3) + RETURN_0}, "", ())
    assert damaged(packed(build, KEY))


def test_a_build_of_other_programs_is_refused():
    with pytest.raises(Damaged):
        unpacked(packed(BUILD, KEY), KEY, Unit(UNIT.text, UNIT.maps, ("enter", "leave")))


class Kernel:
    """Stands for the kernel: creates maps, up to one that it refuses."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: dict[int, tuple[Any, ...]] = {}
        self.refuses = ""
        monkeypatch.setattr(syscalls, "create_map", self.create)
        monkeypatch.setattr(syscalls, "map_shape", self.shape)

    def create(self, *shape):
        if shape[-1] == self.refuses:
            raise OSError(errno.ENOMEM, "no memory")
        fd = os.open("/dev/null", os.O_RDONLY)
        self.made[fd] = shape
        return fd

    def shape(self, fd):
        return syscalls.MapShape(*self.made[fd][:5])


@pytest.fixture
def kernel(monkeypatch) -> Kernel:
    return Kernel(monkeypatch)


def test_maps_are_created_as_they_were_and_the_code_uses_them(kernel):
    compiled = BUILD.loaded({})
    assert [kernel.made[fd] for fd in compiled.maps.values()] == [
        (*shape, name) for name, shape in MAPS.items()
    ]
    fds = compiled.maps
    assert compiled.code == {
        "enter": map_load(1, fds["ring"]) + map_load(2, fds["control"]) + RETURN_0
    }
    compiled.close()


def test_only_the_entries_of_a_map_may_be_others_than_they_were(kernel):
    compiled = BUILD.loaded({"blocks": 1 << 20})
    assert kernel.made[compiled.maps["blocks"]] == (1, 8, 32, 1 << 20, 1, "blocks")
    assert kernel.made[compiled.maps["ring"]] == (27, 0, 0, 1 << 16, 0, "ring")
    compiled.close()


def test_what_was_loaded_makes_the_same_build_again(kernel):
    compiled = BUILD.loaded({})
    assert Build.of(compiled) == BUILD
    compiled.close()


def test_a_map_that_the_kernel_refuses_is_named_and_no_other_stays(kernel):
    kernel.refuses = "ring"
    before = sorted(os.listdir("/proc/self/fd"))
    with pytest.raises(HostRefuses) as caught:
        BUILD.loaded({})
    assert caught.value.reason.startswith("The BPF map ring cannot be created: the kernel has no ")
    assert "--max-blocks" in caught.value.fix
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_map_is_created_by_its_name_with_nothing_else_set(monkeypatch):
    seen: list[bytes] = []

    def bpf(command: int, attributes: bytes) -> int:
        seen.append(attributes)
        return 7

    monkeypatch.setattr(syscalls, "bpf", bpf)
    assert syscalls.create_map(1, 8, 32, 64, 1, "a_name_that_is_too_long") == 7
    (attributes,) = seen
    assert struct.unpack("<7I", attributes[:28]) == (1, 8, 32, 64, 1, 0, 0)
    assert attributes[28:] == b"a_name_that_is_\0"


def test_code_that_uses_a_map_which_was_not_handed_over_is_not_kept(kernel):
    fd = kernel.create(1, 4, 4, 1, 0, "one")
    code = {"enter": map_load(1, fd + 1000) + RETURN_0}
    with pytest.raises(LookupError):
        Build.of(Compiled({"one": fd}, code, ""))
    os.close(fd)
