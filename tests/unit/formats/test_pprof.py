"""Heap profiles, as pprof reads them."""

import gzip
import re
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest

from ebpftrace.analysis.selection import Selection
from ebpftrace.export.formats import profile_proto
from ebpftrace.export.formats.profile_proto.messages import profile_class
from ebpftrace.model.ids import Address, Pid, Slot
from ebpftrace.model.losses import Losses
from ebpftrace.model.picture import Counts
from ebpftrace.model.snapshot import MappedRange
from ebpftrace.text import clean
from tests.unit.builders import counts, frame, picture, site, suppressions, target
from tests.unit.formats.subjects import exported, subject
from tests.unit.hostile import HOSTILE
from tests.unit.snapshot_builders import facts, snapshot

PROTO = Path(profile_proto.__file__).with_name("profile.proto")


def mapping_at(start, end, *rest):
    return MappedRange(Address(start), Address(end), *rest)


APP = mapping_at(0x400000, 0x500000, "r-xp", 0x1000, "/srv/app", "ab12")


class Profile:
    """What was written, with texts for their numbers and messages for their ids."""

    def __init__(self, given):
        self.read = profile_class().FromString(gzip.decompress(exported("pprof", given)))
        self.text = self.read.string_table
        self.functions = {one.id: one for one in self.read.function}
        self.locations = {one.id: one for one in self.read.location}
        self.mappings = {one.id: one for one in self.read.mapping}

    def stacks(self):
        """Names of each sample from the allocation outward; of a location with inlined ones a list."""
        return [[self.names(self.locations[n]) for n in one.location_id] for one in self.samples]

    def names(self, location):
        names = [self.text[self.functions[line.function_id].name] for line in location.line]
        return names[0] if len(names) == 1 else names

    def function(self, name):
        return next(one for one in self.read.function if self.text[one.name] == name)

    def location(self, name):
        return next(one for one in self.read.location if self.names(one) == name)

    def mapping(self, name):
        """That of the location of this name; None if it has none."""
        return self.mappings.get(self.location(name).mapping_id)

    def totals(self):
        return [sum(column) for column in zip(*(one.value for one in self.samples), strict=True)]

    def comments(self):
        return [self.text[one] for one in self.read.comment]

    @property
    def samples(self):
        return self.read.sample


def of(*sites, **given):
    return Profile(subject(*sites, **given))


def mapped(*frames, ranges=(APP,), **given):
    """A profile of one site in a process with these mappings."""
    shown = picture(site(frames=frames))
    return of(snapshot=snapshot(shown, processes=(facts(mappings=ranges),)), **given)


def test_values_have_the_names_units_and_order_of_gos_heap_profiles():
    made = of(site(counts=Counts(9, 307, 7, 7, 1, 50)))
    types = [(made.text[one.type], made.text[one.unit]) for one in made.read.sample_type]
    assert types == [
        ("alloc_objects", "count"),
        ("alloc_space", "bytes"),
        ("inuse_objects", "count"),
        ("inuse_space", "bytes"),
    ]
    assert made.text[made.read.default_sample_type] == "inuse_space"
    assert list(made.samples[0].value) == [10, 357, 3, 350]


def test_nothing_is_sampled():
    made = of(site())
    period = made.read.period_type
    assert (made.text[period.type], made.text[period.unit]) == ("space", "bytes")
    assert made.read.period == 1


def test_it_starts_at_the_attach_and_lasts_until_the_picture():
    made = of(site()).read
    assert made.duration_nanos == 12_000_000_000
    assert made.time_nanos == 1_795_176_000_123_000_000 - made.duration_nanos


def test_the_first_text_is_empty_and_none_is_there_twice():
    texts = list(of(site(frames=(frame("app"), frame("malloc")))).text)
    assert texts[0] == ""
    assert len(texts) == len(set(texts))


def test_a_stack_runs_from_the_allocation_outward():
    made = of(site(frames=(frame("leak_here", address=1), frame("main", address=2))))
    assert made.stacks() == [["leak_here", "main"]]


def test_inlined_functions_are_lines_of_one_location_the_innermost_first():
    at = {"address": 0x401000, "offset": 0x1000}
    inner = frame("push", inlined=True, file="vector.h", line=9, column=2, **at)
    outer = frame("serve", file="app.c", line=30, column=7, **at)
    made = of(site(frames=(inner, outer, frame("main", address=0x402000))))
    assert made.stacks() == [[["push", "serve"], "main"]]
    lines = made.location(["push", "serve"]).line
    assert [(line.line, line.column) for line in lines] == [(9, 2), (30, 7)]
    assert made.text[made.function("push").filename] == "vector.h"


def test_an_inlined_function_is_not_part_of_the_marker_that_the_stack_ends_with():
    made = of(site(frames=(frame("push", inlined=True),), complete=False))
    assert made.stacks() == [["push", "[the stack ends early]"]]


def test_the_same_function_alone_and_with_another_inlined_are_two_locations():
    alone = site("a", frames=(frame("serve"),))
    both = site("b", frames=(frame("push", inlined=True), frame("serve")))
    assert of(alone, both, alone).stacks() == [["serve"], [["push", "serve"]], ["serve"]]


def test_an_address_is_of_the_call_and_not_of_where_it_returns_to():
    assert of(site(frames=(frame("f", address=0x401234),))).location("f").address == 0x401233


def test_code_lies_in_the_mapping_that_holds_its_call():
    after = mapping_at(0x500000, 0x600000, "r-xp", 0, "/lib/x.so", None)
    made = mapped(frame("f", address=0x500000), ranges=(APP, after))
    mapping = made.mapping("f")
    assert (mapping.memory_start, mapping.memory_limit, mapping.file_offset) == (
        0x400000,
        0x500000,
        0x1000,
    )
    assert (made.text[mapping.filename], made.text[mapping.build_id]) == ("/srv/app", "ab12")


def test_the_first_mapping_is_the_main_program_also_where_nothing_was_allocated_by_it():
    library = mapping_at(0x100000, 0x200000, "r-xp", 0, "/lib/x.so", "cd34")
    there = mapped(
        frame("f", address=0x100010, module="/lib/x.so", build_id="cd34"), ranges=(library, APP)
    )
    assert [there.text[one.filename] for one in there.read.mapping] == ["/srv/app", "/lib/x.so"]
    assert not there.read.mapping[0].has_functions
    unknown = mapped(frame("f", module="/lib/x.so"), ranges=())
    assert [unknown.text[one.filename] for one in unknown.read.mapping] == ["/srv/app", "/lib/x.so"]


def test_without_mappings_a_file_lies_where_its_offsets_begin():
    inner = frame("f", address=0x7F0000001234, offset=0x1234)
    made = mapped(inner, frame("g", address=0x7F0000003001, offset=0x3001), ranges=())
    mapping = made.mapping("f")
    assert mapping == made.mapping("g")
    assert (mapping.memory_start, mapping.memory_limit) == (0x7F0000000000, 0x7F0000004000)
    assert made.text[mapping.build_id] == "ab12"


def test_a_file_that_lies_where_it_was_linked_to_has_no_range():
    mapping = mapped(frame("f", address=0x401234, offset=0x401234), ranges=()).mapping("f")
    assert (mapping.memory_start, mapping.memory_limit) == (0, 0)


def test_code_of_a_file_that_was_mapped_there_before_is_not_the_new_ones():
    gone = frame("f", module="/lib/plugin.so", build_id="ffff", address=0x401234, offset=0x1234)
    made = mapped(gone, frame("main"))
    assert made.text[made.mapping("f").filename] == "/lib/plugin.so"
    assert made.text[made.mapping("main").filename] == "/srv/app"


def test_a_file_that_was_deleted_is_still_itself():
    deleted = APP._replace(path="/srv/app (deleted)", build_id=None)
    made = mapped(frame("f"), ranges=(deleted,))
    assert made.mapping("f").memory_start == 0x400000


@pytest.mark.parametrize(
    "name, start, address",
    [
        ("[vdso]", 0x7FFF_FFFF_E000, 0x7FFF_FFFF_E123),
        ("[vsyscall]", 0xFFFF_FFFF_FF60_0000, 0xFFFF_FFFF_FF60_0123),
        ("[last page]", (1 << 64) - 4096, (1 << 64) - 1),
    ],
)
def test_what_the_kernel_maps_is_a_mapping_of_its_own_up_to_the_last_address(name, start, address):
    kernels = mapping_at(start, min(start + 4096, (1 << 64) - 1), "r-xp", 0, name)
    code = frame("f", module=name, build_id=None, address=address, offset=address - start)
    for made in (mapped(code, ranges=(APP, kernels)), mapped(code, ranges=())):
        assert made.location("f").address == address - 1
        mapping = made.mapping("f")
        assert made.text[mapping.filename] == name
        assert mapping.memory_start == start


@pytest.mark.parametrize("address, written", [(-5, 0), (0, 0), (1 << 64, (1 << 64) - 1)])
def test_an_address_that_no_process_has_is_moved_to_the_nearest(address, written):
    assert mapped(frame("f", address=address, offset=None)).location("f").address == written


def test_jit_code_lies_in_the_mapping_without_a_file():
    heap = mapping_at(0x700000, 0x800000, "rwxp", 0, "")
    code = {"build_id": None, "offset": None}
    named = frame("LazyCompile:~f", module="[JIT]", address=0x700100, **code)
    nameless = frame(None, module="[anon]", address=0x700200, **code)
    made = mapped(named, nameless, ranges=(APP, heap))
    assert made.stacks() == [["LazyCompile:~f", "0x700200 [anon]"]]
    assert made.mapping("LazyCompile:~f") == made.mapping("0x700200 [anon]")
    assert made.mapping("LazyCompile:~f").memory_start == 0x700000


def test_code_of_no_known_file_has_no_mapping():
    made = mapped(frame("f", module=None, build_id=None, offset=None, address=0x10))
    assert made.mapping("f") is None


def test_code_without_a_name_is_told_apart_by_its_file():
    one = frame(None, offset=0x10)
    other = frame(None, offset=0x10, module="/lib/x.so", build_id=None, address=0x900010)
    made = mapped(one, other)
    assert made.stacks() == [["0x10 [app]", "0x10 [x.so]"]]
    assert made.text[made.function("0x10 [app]").system_name] == ""


def test_a_mapping_says_what_is_known_of_all_code_in_it():
    lines = {"file": "app.c", "line": 3}
    whole = mapped(frame("f", **lines)).mapping("f")
    assert (whole.has_functions, whole.has_filenames, whole.has_line_numbers) == (True, True, True)
    assert not whole.has_inline_frames
    part = mapped(frame("f", **lines), frame("_start", address=0x402000)).mapping("f")
    assert (part.has_functions, part.has_filenames, part.has_line_numbers) == (True, False, False)
    nameless = mapped(frame("f", **lines), frame(None, address=0x403000, offset=9)).mapping("f")
    assert not nameless.has_functions
    inlined = mapped(frame("g", inlined=True), frame("f")).mapping(["g", "f"])
    assert inlined.has_inline_frames


def test_two_processes_with_equal_addresses_share_no_mapping_and_no_location():
    targets = (target(), target(pid=Pid(43), slot=Slot(2), comm="worker"))
    shown = picture(site("f"), site("f", slot=Slot(2), pid=Pid(43)), targets=targets)
    both = (facts(mappings=(APP,)), facts(pid=Pid(43), slot=Slot(2), mappings=(APP,)))
    made = of(snapshot=snapshot(shown, processes=both))
    assert made.stacks() == [["f", "app (pid 42)"], ["f", "worker (pid 43)"]]
    one, other = (made.locations[sample.location_id[0]] for sample in made.samples)
    assert one.address == other.address
    assert one.mapping_id != other.mapping_id
    assert {made.mappings[one.mapping_id].memory_start for one in (one, other)} == {0x400000}


def test_a_sample_says_of_which_process_and_by_which_allocator_it_is():
    made = of(site(allocator="calloc", family="jemalloc"))
    said = {made.text[one.key]: made.text[one.str] or one.num for one in made.samples[0].label}
    assert said == {"process": "app", "allocator": "calloc", "family": "jemalloc", "pid": 42}


def test_a_stack_that_has_not_come_has_no_label_of_an_allocator():
    made = of(site(stack=0, frames=(), complete=False, allocator=None, family=None))
    assert made.stacks() == [["[stack not kept]"]]
    assert [made.text[one.key] for one in made.samples[0].label] == ["process", "pid"]
    assert made.mapping("[stack not kept]") is None


def test_what_is_held_without_a_call_site_is_there():
    shown = picture(site(counts=counts(1, 60)), totals=counts(3, 100, freed=4))
    made = of(snapshot=snapshot(shown))
    assert made.stacks() == [["leak_here"], ["[call sites that were not recorded]"]]
    assert made.totals() == [7, 104, 3, 100]


def test_what_is_suppressed_is_left_out_and_said():
    hidden = Selection(suppressions=suppressions("known"))
    made = of(site("known"), site("leak", counts=counts(2, 70)), selection=hidden)
    assert made.totals() == [2, 70, 2, 70]
    said = "left out: 1 site with 100 B in 1 block by 1 suppression (leak:known)"
    assert said in made.comments()


def test_comments_say_by_what_where_and_when_it_was_taken_and_what_was_lost():
    shown = picture(site(), losses=Losses({"blocks_full": 3}))
    said = "\n".join(of(snapshot=snapshot(shown, notes=("Blocks were left out.",))).comments())
    assert "app.ebpftrace: The process ended." in said
    assert "ebpftrace 0.1.0, web1, Debian GNU/Linux 12, Linux 6.1.0-13-amd64" in said
    assert "2026-11-20 12:00:00 UTC" in said
    assert "app (pid 42) /srv/app" in said
    assert "LOST blocks_full 3" in said
    assert "the block map is full" in said
    assert "Blocks were left out." in said


def test_allocators_are_left_out_by_pprof_and_nothing_that_only_sounds_like_one():
    made = of(site())
    dropped = re.compile(made.text[made.read.drop_frames])
    assert all(map(dropped.fullmatch, ("operator new", "operator new[]", "malloc", "calloc@plt")))
    assert not any(map(dropped.fullmatch, ("xmalloc", "operator newest", "mallocator", "")))


@pytest.mark.parametrize("name", [*HOSTILE, "x" * 8192, "a;b", "</script>", "\"'`\\", "%s%n"])
def test_names_arrive_as_they_are(name):
    name = clean(name)
    code = frame(name, file=name, module=name, build_id=None)
    shown = picture(site(frames=(code,), allocator=name), targets=(target(comm=name, exe=name),))
    made = of(snapshot=snapshot(shown), file=name)
    assert made.stacks() == [[name]]
    assert made.text[made.function(name).filename] == name
    assert made.text[made.mapping(name).filename] == name


def test_numbers_that_no_process_has_are_kept_within_what_the_format_holds():
    most = (1 << 64) - 1
    shown = picture(
        site(
            pid=Pid(most),
            counts=Counts(most, most, 0, 0, most, most),
            frames=(frame("f", line=most, column=most),),
        ),
        since_attach_s=1e9,
        time=datetime(8999, 1, 1, tzinfo=timezone.utc),
    )
    made = of(snapshot=snapshot(shown))
    assert made.read.time_nanos == (1 << 63) - 1
    assert set(made.samples[0].value) == {(1 << 63) - 1}
    assert made.location("f").line[0].line == (1 << 63) - 1


def test_a_picture_of_nothing_is_a_profile_without_samples():
    assert len(of().samples) == 0


def test_the_same_snapshot_gives_the_same_bytes():
    assert exported("pprof", subject(site())) == exported("pprof", subject(site()))


def test_protobuf_is_loaded_only_where_this_format_is_written():
    script = (
        "import sys; from ebpftrace.export.formats.registry import named\n"
        "for name in ('collapsed', 'pprof'): named(name).load(); print('google.protobuf' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "True"]


def test_the_descriptor_is_that_of_the_schema():
    """By name, number and type of each field; `profile_proto/README.md` says how it is made."""
    wanted = {}
    for name, body in re.findall(
        r"^message (\w+) \{\n(.*?)^\}", PROTO.read_text(), re.MULTILINE | re.DOTALL
    ):
        fields = re.findall(r"^\s*(repeated )?(\w+) (\w+) = (\d+);", body, re.MULTILINE)
        wanted[name] = {(one[2], int(one[3]), one[1], bool(one[0])) for one in fields}
    kinds = {3: "int64", 4: "uint64", 8: "bool", 9: "string"}  # descriptor.proto, Type
    made = profile_class().DESCRIPTOR.file.message_types_by_name
    assert wanted == {
        name: {
            (
                field.name,
                field.number,
                field.message_type.name if field.message_type else kinds[field.type],
                field.is_repeated if hasattr(field, "is_repeated") else field.label == 3,
            )
            for field in message.fields
        }
        for name, message in made.items()
    }
