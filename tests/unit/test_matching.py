"""Which call sites of two pictures are one."""

import pytest

from ebpftrace.analysis.matching import Matching
from tests.unit.builders import frame, picture, site


def one(*frames, **given):
    return picture(site(frames=frames, **given))


def match(first, second):
    matching = Matching([first, second])
    keys = [{matching.key(found.at) for found in drawn.sites} for drawn in (first, second)]
    return keys[0] == keys[1]


def test_neither_addresses_nor_pids_matter():
    assert match(
        one(frame(address=0x401234), pid=42, slot=1, id="1-1"),
        one(frame(address=0x7F0000001234), pid=4711, slot=9, id="9-9"),
    )


@pytest.mark.parametrize(
    "other", [{"offset": 0x1235}, {"build_id": "other", "module": "/srv/another"}]
)
def test_other_code_is_another_site(other):
    assert not match(one(frame()), one(frame(**other)))


def test_the_allocator_function_counts():
    assert not match(one(frame(), allocator="malloc"), one(frame(), allocator="calloc"))


def test_a_prefix_of_a_stack_is_another_site():
    assert not match(one(frame()), one(frame(), frame("main", offset=0x99)))


def test_names_that_were_looked_up_later_do_not_matter():
    raw = frame(None)
    named = frame("leak_here", file="/src/leak.c", line=3, source="malloc(1);")
    assert match(one(raw), one(frame("within", inlined=True), named))


def test_the_same_file_under_another_path_is_the_same_by_its_build_id():
    assert match(one(frame(module="/srv/app")), one(frame(module="/mnt/other/app")))


def test_without_a_build_id_the_path_stands_for_it():
    assert match(one(frame(build_id=None)), one(frame(build_id=None, address=1)))
    assert not match(one(frame(build_id=None)), one(frame(build_id=None, module="/srv/another")))


def test_jit_code_is_matched_by_its_function():
    def jit(function, address):
        return frame(function, module="[JIT]", build_id=None, offset=None, address=address)

    assert match(one(jit("JS:*f", 1)), one(jit("JS:*f", 2)))
    assert not match(one(jit("JS:*f", 1)), one(jit("JS:*g", 1)))


def test_code_of_which_nothing_is_known_is_any_such_code():
    def unknown(module, address):
        return frame(None, module=module, build_id=None, offset=None, address=address)

    assert match(one(unknown("[anon]", 1), frame()), one(unknown(None, 2), frame()))


def test_a_rebuilt_module_is_matched_by_the_names_of_its_functions():
    before = one(frame("leak_here", build_id="ab12", offset=0x1234))
    after = one(frame("leak_here", build_id="cd34", offset=0x5678))
    assert match(before, after)
    (rebuilt,) = Matching([before, after]).rebuilt
    assert rebuilt.module == "app"
    assert list(map(set, rebuilt.build_ids)) == [{"ab12"}, {"cd34"}]
    assert not match(before, one(frame("other", build_id="cd34", offset=0x1234)))


@pytest.mark.parametrize(
    "before,after",
    [
        ("f", "f.part.0"),
        ("f.constprop.0", "f.isra.0"),
        ("f.llvm.123", "f.llvm.456"),
        ("app::f::h0123456789abcdef", "app::f::hfedcba9876543210"),
        ("_ZN3app1f17h0123456789abcdefE", "_ZN3app1f17hfedcba9876543210E"),
        (None, None),
    ],
)
def test_what_a_compiler_adds_to_names_does_not_matter_in_a_rebuilt_module(before, after):
    assert match(
        one(frame(before, build_id="ab12", offset=1)), one(frame(after, build_id="cd34", offset=2))
    )


def test_a_module_whose_build_id_is_known_once_only_counts_as_rebuilt():
    assert match(one(frame(build_id=None, offset=1)), one(frame(build_id="ab12", offset=2)))


def test_a_second_module_of_the_same_name_is_no_rebuild():
    first = one(frame(build_id="ab12"))
    second = picture(
        site("a", frames=(frame(build_id="ab12"),)), site("b", frames=(frame(build_id="cd34"),))
    )
    assert Matching([first, second]).rebuilt == ()


def test_a_module_that_comes_or_goes_is_no_rebuild():
    library = frame("f", module="/lib/libx.so", build_id="cd34")
    assert Matching([one(frame()), one(library)]).rebuilt == ()


def test_a_rebuild_is_seen_across_a_picture_without_the_module():
    other = frame("f", module="/lib/libx.so", build_id="ff")
    pictures = [one(frame(build_id="ab12")), one(other), one(frame(build_id="cd34"))]
    assert [rebuilt.module for rebuilt in Matching(pictures).rebuilt] == ["app"]


def test_sites_without_a_stack_are_one():
    assert match(one(id="1-1"), one(id="1-2"))


def test_a_name_of_100_kb_is_taken_in_time():
    name = "f" * 100_000 + "17h" * 10_000
    assert match(
        one(frame(name, build_id="ab12", offset=1)), one(frame(name, build_id="cd34", offset=2))
    )
