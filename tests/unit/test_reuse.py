"""What was compiled once is used again, as long as it would be compiled to the same."""

import os
import re
from pathlib import Path
from typing import Any

import pytest

from ebpftrace.errors import CannotAttach, HostRefuses
from ebpftrace.kernel import (
    bccapi,
    compiler,
    features,
    programs,
    reuse,
    sizes,
    sources,
    syscalls,
    trial_compilation,
)
from ebpftrace.kernel.build import packed
from ebpftrace.kernel.build_folder import BuildFolder
from ebpftrace.kernel.compiler import Compilation, Compiled, Unit
from ebpftrace.kernel.compiler_files import are_the_same, identity, of_compiler
from ebpftrace.kernel.reuse import Reused, Sized, Task
from tests.unit.build_builders import BUILD, MAPS, UNIT, task

BPF = Path(__file__).parents[2] / "bpf"


class Host:
    """A host where nothing is compiled, but noted; BCC is one file."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cache = folder / "cache"
        self.bindings: Path | None = folder / "bcc.py"
        self.bindings.write_text("one")
        self.compiled: list[dict[str, object]] = []
        self.made: dict[int, tuple[Any, ...]] = {}
        monkeypatch.setenv("XDG_CACHE_HOME", str(self.cache))
        monkeypatch.setattr(bccapi, "found", lambda: self.bindings)
        monkeypatch.setattr(reuse, "Compilation", self.compilation)
        monkeypatch.setattr(syscalls, "create_map", self.create)
        monkeypatch.setattr(syscalls, "map_shape", self.shape)

    def compilation(self, options, unit):
        self.compiled.append(options)
        host = self

        class Done:
            def result(self) -> Compiled:
                entries = {"blocks": options["MAX_BLOCKS"]}
                assert host.bindings
                made_by = (identity(host.bindings),)
                loaded = BUILD.loaded(entries)
                return Compiled(loaded.maps, loaded.code, "0.26.0", made_by)

            def interrupt(self) -> None:
                pass

            def cancel(self) -> None:
                pass

        return Done()

    def create(self, *shape):
        fd = os.open("/dev/null", os.O_RDONLY)
        self.made[fd] = shape
        return fd

    def shape(self, fd):
        return syscalls.MapShape(*self.made[fd][:5])

    def start(self, what: Task | None = None) -> bool:
        """Whether it was compiled for that."""
        before = len(self.compiled)
        reuse.start(what or task()).result().close()
        return len(self.compiled) > before

    def files(self) -> list[Path]:
        return list((self.cache / "ebpftrace" / "compiled").iterdir())


@pytest.fixture
def host(tmp_path, monkeypatch) -> Host:
    return Host(tmp_path, monkeypatch)


def test_the_second_start_compiles_nothing(host):
    assert [host.start() for _ in range(3)] == [True, False, False]
    assert len(host.files()) == 1


def test_what_is_used_again_has_the_same_code_and_maps_of_the_sizes_of_today(host):
    host.start()
    wanted = task(sizes={"MAX_BLOCKS": Sized("blocks", 1 << 20)})
    compiled = reuse.start(wanted).result()
    assert host.compiled == [{"DEPTH": 127, "MAX_BLOCKS": 4096}]
    assert host.made[compiled.maps["blocks"]] == (1, 8, 32, 1 << 20, 1, "blocks")
    assert host.made[compiled.maps["control"]] == (*MAPS["control"], "control")
    compiled.close()


@pytest.mark.parametrize(
    "other",
    [
        task(unit=Unit(lambda: "another text", UNIT.maps, UNIT.programs)),
        task(definitions={"DEPTH": 126}),
        task(definitions={"DEPTH": 127, "MORE": 1}),
        task(definitions={}),
        task(sizes={"MAX_BLOCKS": Sized("blocks", 4096), "MAX_MORE": Sized("ring", 1 << 16)}),
    ],
)
def test_another_text_or_definition_is_compiled_and_kept_beside_it(host, other):
    host.start()
    assert host.start(other)
    assert (host.start(), host.start(other)) == (False, False)


def test_maps_and_programs_that_are_asked_for_are_part_of_the_key():
    keys = {
        task(unit=Unit(UNIT.text, maps, programs)).key()
        for maps in (UNIT.maps, UNIT.maps[:2])
        for programs in (UNIT.programs, ())
    }
    assert len(keys) == 4


def test_another_header_kernel_or_environment_is_another_key(tmp_path, monkeypatch):
    keys = [task().key(), task().key()]
    (tmp_path / "bpf.h").write_text("one")
    monkeypatch.setattr(sources, "headers", lambda: tmp_path)
    keys.append(task().key())
    (tmp_path / "bpf.h").write_text("two")
    keys.append(task().key())
    for name in ("BCC_PROBES", "ARCH", "CPATH"):
        monkeypatch.setenv(name, "1")
        keys.append(task().key())
    uname = list(os.uname())
    for field in (2, 3, 4):
        uname[field] += "x"
        monkeypatch.setattr(os, "uname", lambda now=tuple(uname): os.uname_result(now))
        keys.append(task().key())
    assert keys[0] == keys[1]
    assert len(set(keys)) == len(keys) - 1


def test_a_compiler_that_was_replaced_compiles_again(host):
    host.start()
    host.bindings.write_text("another version")
    assert [host.start(), host.start()] == [True, False]
    assert len(host.files()) == 1


def test_a_compiler_that_was_moved_compiles_again(host, tmp_path):
    host.start()
    host.bindings = host.bindings.rename(tmp_path / "other.py")
    assert [host.start(), host.start()] == [True, False]


def test_where_there_is_no_compiler_any_more_what_it_made_is_used(host):
    host.start()
    host.bindings.unlink()
    host.bindings = None
    assert not host.start()


@pytest.mark.parametrize("cut", [0, 1, 100, -1])
def test_a_file_that_was_cut_is_replaced(host, cut):
    host.start()
    (file,) = host.files()
    whole = file.read_bytes()
    file.write_bytes(whole[:cut])
    assert [host.start(), host.start()] == [True, False]
    assert file.read_bytes() == whole


def test_a_file_that_others_could_have_written_is_replaced(host):
    host.start()
    (file,) = host.files()
    file.chmod(0o666)
    assert [host.start(), host.start()] == [True, False]
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_build_that_lies_under_the_name_of_another_is_not_used(host):
    other = task(definitions={"DEPTH": 126})
    host.start()
    (file,) = host.files()
    file.rename(file.with_name(f"{other.key()}.build"))
    assert host.start(other)


def test_without_a_place_for_it_everything_is_compiled_and_nothing_said(host, caplog):
    host.cache.write_text("a file and no directory")
    assert [host.start(), host.start()] == [True, True]
    assert not [record for record in caplog.records if record.levelname != "DEBUG"]


def test_a_disk_that_takes_nothing_is_no_failure(host, monkeypatch):
    def full(*unused):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(BuildFolder, "keep", full)
    assert [host.start(), host.start()] == [True, True]


def test_maps_of_another_size_than_was_told_are_not_kept(host):
    odd = task(sizes={"MAX_BLOCKS": Sized("blocks", 4096, each=2)})
    assert [host.start(odd), host.start(odd)] == [True, True]


def test_texts_that_are_not_there_are_the_compilers_to_name(host):
    def missing() -> str:
        raise FileNotFoundError("bpf/ebpftrace.c is not where it should be")

    assert host.start(task(unit=Unit(missing, UNIT.maps, UNIT.programs)))
    assert not host.cache.exists() or not host.files()


def test_what_was_given_up_is_not_loaded():
    waiting = Reused(BUILD, {})
    waiting.interrupt()
    with pytest.raises(CannotAttach, match="given up"):
        waiting.result()
    waiting.cancel()


def test_the_files_of_a_compiler_begin_with_its_bindings(tmp_path):
    (tmp_path / "__init__.py").write_text("")
    (tmp_path / "version.py").write_text("")
    files = of_compiler(tmp_path / "__init__.py")
    assert [file.path for file in files[:2]] == [
        str(tmp_path / "__init__.py"),
        str(tmp_path / "version.py"),
    ]
    assert are_the_same(files, tmp_path / "__init__.py")
    assert not are_the_same(files, tmp_path / "version.py")
    assert not are_the_same((), tmp_path / "__init__.py")
    (tmp_path / "version.py").write_text("other")
    assert not are_the_same(files, tmp_path / "__init__.py")


def asked_for(chosen: sizes.MapSizes, monkeypatch: pytest.MonkeyPatch) -> Task:
    """What the tool starts with."""
    started: list[Task] = []
    with monkeypatch.context() as patch:
        patch.setattr(reuse, "start", started.append)
        programs.start_compiling(chosen, 127)
    return started[0]


def test_sizes_of_maps_are_nowhere_in_the_code(monkeypatch):
    monkeypatch.setattr(features, "maps_on_demand", lambda: True)
    text = re.sub(
        r"/\*.*?\*/", "", "".join(f.read_text() for f in BPF.glob("*.[ch]")), flags=re.DOTALL
    )
    text = re.sub(r"#if.*", "", text)
    asked = asked_for(sizes.choose(1 << 33, trace_log=True), monkeypatch)
    assert len(asked.sizes) == 8
    for name, sized in asked.sizes.items():
        lines = [line for line in text.splitlines() if re.search(rf"\b{name}\b", line)]
        assert len(lines) == 1, name
        assert re.search(rf"^BPF_\w+\(.*\b{sized.map}, {name}\b", lines[0]), lines


def test_available_memory_changes_the_key_by_the_shift_of_the_rules_alone(monkeypatch):
    monkeypatch.setattr(features, "maps_on_demand", lambda: True)
    keys: dict[int, set[str]] = {}
    for mib in range(64, 8192, 64):
        chosen = sizes.choose(mib << 20)
        keys.setdefault(chosen.rules, set()).add(asked_for(chosen, monkeypatch).key())
    assert [len(found) for found in keys.values()] == [1] * len(keys)
    assert len(keys) == 5


@pytest.mark.parametrize("kept", [False, True])
def test_doctor_fails_without_bcc_unless_all_is_compiled(monkeypatch, kept):
    class Missing(Compilation):
        def __init__(self) -> None:
            pass

        def result(self) -> Compiled:
            raise HostRefuses("The Python module bcc was not found.", "Install it.")

    monkeypatch.setattr(bccapi, "found", lambda: None)
    monkeypatch.setattr(trial_compilation, "are_compiled", lambda *_: kept)
    (check,) = trial_compilation.checks(Missing(), 127)
    assert (check.verdict, check.fix) == ("note" if kept else "failed", "Install it.")
    assert check.found.startswith("The Python module bcc was not found.")


def test_what_doctor_asks_for_is_what_attach_begins_with(host, monkeypatch):
    monkeypatch.setattr(features, "maps_on_demand", lambda: True)
    chosen = sizes.choose(1 << 33)
    assert not programs.are_compiled(chosen, 127)
    maps = dict.fromkeys(compiler.MAPS, MAPS["control"])
    code = dict.fromkeys(compiler.PROGRAMS, BUILD.code["enter"])
    whole = type(BUILD)(maps, code, "", (identity(host.bindings),))
    key = asked_for(chosen, monkeypatch).key()
    BuildFolder(host.cache / "ebpftrace" / "compiled").keep(key, packed(whole, key))
    assert programs.are_compiled(chosen, 127)
    assert not programs.are_compiled(chosen, 60)
