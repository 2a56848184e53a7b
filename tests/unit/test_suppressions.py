"""Which call sites suppressions hide."""

import sys

import pytest

from ebpftrace.analysis.suppressing import Matcher
from ebpftrace.analysis.suppressions import Suppressions
from ebpftrace.symbols.demangling import demangled
from tests.unit.builders import frame, site

DEMANGLED = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="The package `demangle` needs Python 3.11."
)
NEW = frame("operator new(unsigned long)", module="/usr/lib/libstdc++.so.6")
GROW = frame("std::vector<int, std::allocator<int> >::_M_realloc_append(int&&)", inlined=True)
PUT = frame("app::Cache<int>::put(int)", file="/src/app/cache.cpp", line=31)
SERVE = frame("serve", file="/src/app/serve.c", line=7)
MAIN = frame("main")
SSL = frame("OPENSSL_init_ssl", module="/usr/lib/x86_64-linux-gnu/libssl.so.3")
NAMELESS = frame(None, module="/opt/vendor/libblob.so")


@pytest.fixture(name="hides")
def hiding(tmp_path):
    """Is a stack, from the allocation outward, hidden by what a file says?"""

    def hides(text, *frames, **given):
        file = tmp_path / "app.supp"
        file.write_text(text)
        return (
            Suppressions.read(str(file), demangled).by(site(frames=frames, **given).at) is not None
        )

    return hides


def leak(*frames, name="mine"):
    return "\n".join(["{", name, "Memcheck:Leak", *frames, "}", ""])


# --- Valgrind's -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "frames",
    [
        ["fun:malloc", "fun:serve"],
        ["fun:*alloc", "fun:serve", "fun:main"],
        ["fun:m?lloc", "obj:/srv/*"],
        ["fun:serve"],
        ["fun:malloc", "...", "fun:main"],
        ["...", "fun:main"],
        ["fun:malloc", "...", "fun:serve", "...", "fun:main", "..."],
        ["fun:malloc", "src:serve.c:7"],
        ["fun:malloc", "src:/src/*/serve.c"],
        ["fun:*", "obj:*", "fun:main"],
    ],
)
def test_frames_are_matched_from_the_allocation_outward(hides, frames):
    assert hides(leak(*frames), SERVE, MAIN)


@pytest.mark.parametrize(
    "frames",
    [
        ["fun:calloc", "fun:serve"],
        ["fun:malloc", "fun:main"],
        ["fun:main"],
        ["fun:malloc", "fun:serve", "fun:main", "fun:_start"],
        ["fun:malloc", "fun:serve", "fun:main", "obj:*"],
        ["fun:malloc", "fun:serv"],
        ["fun:malloc", "src:serve.c:8"],
        ["fun:malloc", "src:erve.c"],
        ["fun:malloc", "obj:app"],
        ["...", "fun:main", "...", "fun:serve"],
    ],
)
def test_what_differs_in_one_frame_stays(hides, frames):
    assert not hides(leak(*frames), SERVE, MAIN)


@pytest.mark.parametrize(
    "begin",
    [
        ["fun:malloc", "fun:operator new*"],
        pytest.param(["fun:_Znwm"], marks=DEMANGLED),
        pytest.param(["fun:_Zn?m"], marks=DEMANGLED),
        [],
    ],
)
def test_it_may_begin_at_the_allocator_at_operator_new_or_at_who_asked_for_memory(hides, begin):
    assert hides(leak(*begin, "fun:app::Cache*::put*"), NEW, GROW, PUT, SERVE)


def test_behind_the_first_function_that_is_no_wrapper_none_may_begin(hides):
    assert not hides(leak("fun:serve"), NEW, PUT, SERVE)


@pytest.mark.parametrize(
    "function",
    [
        "app::Cache::put",
        "app::Cache<int>::put(int)",
        pytest.param("_ZN3app5CacheIiE3putEi", marks=DEMANGLED),
        "app::*",
    ],
)
def test_a_function_of_cxx_is_named_mangled_or_not_with_its_parameters_or_without(hides, function):
    assert hides(leak("fun:malloc", f"fun:{function}"), PUT)


def test_a_mangled_name_is_of_one_overload(hides):
    assert not hides(leak("fun:malloc", "fun:_ZN3app5CacheIiE3putEl"), PUT)


def test_an_inlined_function_may_be_named_or_passed_over(hides):
    deep = (frame("fill", inlined=True), SERVE, frame("step", inlined=True), MAIN)
    for frames in (["fun:serve", "fun:main"], ["fun:fill", "fun:serve", "fun:step", "fun:main"]):
        assert hides(leak("fun:malloc", *frames), *deep)
    real = (SERVE, frame("step"), MAIN)
    assert not hides(leak("fun:malloc", "fun:serve", "fun:main"), *real)


@pytest.mark.parametrize("name", ["put", "put<int>", "pu?", "app::Cache::put"])
def test_an_inlined_function_has_the_short_name_that_valgrind_reads_in_its_lines(hides, name):
    inlined = frame("app::Cache<int>::put<int>(int)", inlined=True)
    assert hides(leak("fun:malloc", f"fun:{name}", "fun:serve"), inlined, SERVE)


def test_a_function_that_is_not_inlined_is_not_its_last_name_alone(hides):
    assert not hides(leak("fun:malloc", "fun:put"), PUT, SERVE)


def test_code_without_a_name_is_matched_by_where_it_lies(hides):
    assert hides(leak("fun:malloc", "obj:*/libblob.so", "fun:???"), NAMELESS, NAMELESS)
    assert not hides(leak("fun:malloc", "fun:lib*"), NAMELESS)


def test_a_version_or_a_copy_is_the_function_itself(hides):
    opened = (frame("_dlerror_run"), frame("dlopen"))
    assert hides(
        leak("fun:calloc", "fun:_dlerror_run", "fun:dlopen@@GLIBC_2.2.5"),
        *opened,
        allocator="calloc",
    )
    assert hides(leak("fun:malloc", "fun:setup"), frame("setup.isra.0"))
    assert hides(leak("fun:malloc", "fun:setup.constprop.1"), frame("setup"))


def test_a_stack_that_has_not_come_is_not_hidden(hides):
    assert not hides("leak:*\n" + leak("obj:*"), allocator=None, family=None)
    assert hides(leak("fun:malloc"))


@pytest.mark.timeout(20)  # where each row of dots is tried at every frame: for ever
def test_a_deep_stack_and_a_long_list_of_dots_come_to_an_end(hides):
    stack = [frame("h"), *(frame("f") for _ in range(120)), frame("g"), MAIN]
    dots = [line for _ in range(60) for line in ("...", "fun:f")]
    assert hides(leak("fun:malloc", *dots, "...", "fun:g"), *stack)
    assert not hides(leak("fun:malloc", *dots, "...", "fun:g", "...", "fun:h"), *stack)


# --- LeakSanitizer's ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pattern",
    ["serv", "^serve$", "s*e", "serve.c", "^serve.c", "/src/app/", "/srv/app$", "libssl.so.3",
     "^/usr/lib/*ssl", "malloc", "Cache<int>::put", "^app::Cache::put$", "*"],
)  # fmt: skip
def test_a_part_of_any_frame_is_enough(hides, pattern):
    assert hides(f"leak:{pattern}\n", SSL, PUT, SERVE, MAIN)


@pytest.mark.parametrize("pattern", ["^erve", "serv$", "s?rve", "^libssl", "calloc", "SERVE"])
def test_a_part_that_no_frame_has_hides_nothing(hides, pattern):
    assert not hides(f"leak:{pattern}\n", SSL, PUT, SERVE, MAIN)


# --- lists as they are handed on ------------------------------------------------------------------

PYTHON = (
    leak("fun:malloc", "fun:PyThread_allocate_lock", "fun:PyEval_*", name="the lock of the GIL")
    + leak("fun:realloc", "fun:_PyObject_GC_Resize", "fun:OFF", name="switched off")
    + leak("fun:malloc", "obj:*/libpython3*.so*", "...", "fun:Py_InitializeEx", name="start")
)
PROGRAMS = """
# Qt and GLib keep what they have registered
leak:libQt5Core.so
leak:^g_type_register_
leak:libfontconfig
race:ignored_here
"""


def test_what_an_interpreter_keeps_is_hidden_and_what_it_leaks_is_not(hides):
    library = "/usr/lib/libpython3.11.so.1.0"
    lock = frame("PyThread_allocate_lock", module=library)
    assert hides(PYTHON, lock, frame("PyEval_InitThreads", module=library))
    start = frame("PyDict_New", module=library)
    assert hides(PYTHON, start, frame("Py_InitializeEx"), MAIN)
    assert not hides(PYTHON, start, frame("PyRun_SimpleString"), MAIN)


def test_libraries_that_never_free_are_hidden_by_their_files(hides):
    qt = frame("0x1234", module="/usr/lib/libQt5Core.so.5")
    assert hides(PROGRAMS, qt, MAIN)
    assert hides(PROGRAMS, frame("g_malloc0"), frame("g_type_register_static"), MAIN)
    assert not hides(PROGRAMS, SERVE, MAIN)


# --- of many sites --------------------------------------------------------------------------------


def test_the_first_that_matches_hides_a_site_and_files_come_in_their_order(tmp_path):
    texts = [leak("fun:serve", name="first"), "leak:serve\nleak:main\n"]
    files = []
    for number, text in enumerate(texts):
        file = tmp_path / f"{number}.supp"
        file.write_text(text)
        files.append(Suppressions.read(str(file)))
    both = Suppressions.joined(files)
    assert both.by(site(frames=(SERVE, MAIN)).at) == "first"
    assert both.by(site(frames=(NEW, MAIN)).at) == "leak:main"
    assert both.unused() == ("leak:serve",)


def test_what_is_learned_of_a_stack_counts_from_then_on(tmp_path):
    file = tmp_path / "app.supp"
    file.write_text("leak:cache.cpp\n")
    suppressions = Suppressions.read(str(file))
    sites = [site(frames=(frame("put"),)), site(frames=(SERVE,))]
    assert suppressions.hidden(sites) == {}
    sites[0] = site(frames=(PUT,))
    assert suppressions.hidden(sites) == {0: "leak:cache.cpp"}
    assert suppressions.hidden(sites[1:]) == {}


def test_a_stack_is_looked_at_once(tmp_path, monkeypatch):
    file = tmp_path / "app.supp"
    file.write_text(
        "".join(leak("fun:malloc", "...", f"fun:f{n}?", f"obj:x{n}*") for n in range(100))
    )
    suppressions = Suppressions.read(str(file))
    frames = [frame(f"f{n}", offset=n) for n in range(300)]
    sites = [site(frames=tuple(frames[n * k % 299] for k in range(1, 20))) for n in range(10_000)]
    looked_at = []
    really = Matcher.first

    def first(matcher, at):
        looked_at.append(at)
        return really(matcher, at)

    monkeypatch.setattr(Matcher, "first", first)
    suppressions.hidden(sites)
    suppressions.hidden([one._replace(growth=1.0) for one in sites])
    assert looked_at == [one.at for one in sites]
