"""Which frame of a stack is to blame."""

import re
import time

import pytest

from ebpftrace.analysis import responsible as module
from ebpftrace.analysis import wrappers
from ebpftrace.analysis.responsible import Rules, responsible
from tests.unit.builders import frame

RULES = Rules.standard()
WRAPPERS = """malloc calloc __libc_malloc __GI___libc_malloc strdup __strdup getline asprintf xmalloc xcalloc
    xrealloc xstrdup xmalloc.part.0 safe_malloc my_strdup x_try_malloc zmalloc zcalloc ztrymalloc
    ztrymalloc_usable zrealloc_usable zstrdup je_malloc je_arena_malloc_hard tc_malloc tc_newarray
    mi_malloc mi_heap_zalloc _mi_malloc_generic g_malloc g_malloc0 g_malloc_n g_try_malloc g_new0
    g_realloc g_strdup g_strndup g_strdup_printf g_slice_alloc g_memdup2 apr_palloc apr_pstrdup
    apr_pcalloc allocator_alloc ngx_alloc ngx_palloc ngx_pcalloc ngx_palloc_large ngx_create_pool
    PyMem_Malloc PyMem_RawMalloc _PyMem_RawMalloc PyObject_Malloc _PyObject_Malloc PyObject_Realloc
    _PyObject_GC_Alloc _PyObject_GC_New _PyObject_GC_NewVar PyType_GenericAlloc sqlite3Malloc
    sqlite3_malloc64 sqlite3DbMallocRawNN sqlite3DbStrDup sqlite3MemMalloc CRYPTO_malloc CRYPTO_zalloc
    OPENSSL_strdup av_malloc av_mallocz av_strdup xmlMalloc xmlStrdup xmlStrndup Curl_saferealloc
    palloc0 pg_malloc emalloc _emalloc_56 kmalloc kzalloc ruby_xmalloc2 luaM_realloc_ _talloc_zero
    __rust_alloc __rdl_alloc __rg_realloc swift_slowAlloc swift_allocObject _d_newclass
    _d_arrayappendT gc_malloc __cxa_allocate_exception _IO_file_doallocate opendir fopen64
    pthread_create _dl_map_object"""
OWN = """main serve session_create cache_insert leak_here memory_pool mallocated unmalloc zmallocator
    xmallocs do_mallocs getserver getspeed getgroove tc_run mi_parse rp_handle_request je
    stdout_write aaAdd kernel_alloc standard::vector core_init alloc_page"""
MODULES = """/lib/libc.so.6 /lib/libc-2.31.so /lib/ld-linux-x86-64.so.2 /lib/ld-musl-x86_64.so.1
    /lib/libstdc++.so.6.0.32 /lib/libc++.so.1 /lib/libc++abi.so.1 /lib/libgcc_s.so.1
    /lib/libpthread-2.31.so /lib/libjemalloc.so.2 /lib/libtcmalloc_minimal.so.4 /lib/libmimalloc.so.2.1
    /lib/libstd-0123456789abcdef.so /lib/libnss_files.so.2 [vdso]"""
LIBC = "/usr/lib/x86_64-linux-gnu/libc.so.6"


def blamed(*frames, rules=RULES):
    """The function to blame; a bare string is a function of the program."""
    stack = [frame(one) if isinstance(one, str) else one for one in frames]
    index = responsible(stack, rules)
    return None if index is None else stack[index].function


def is_wrapper(function=None, **given):
    return responsible([frame(function, **given), frame("user")], RULES) == 1


@pytest.mark.parametrize(
    "function",
    WRAPPERS.split(),
)
def test_wrappers_of_c_are_not_to_blame(function):
    assert is_wrapper(function)


@pytest.mark.parametrize(
    "function",
    [
        "operator new(unsigned long)",
        "operator new[](unsigned long, std::nothrow_t const&)",
        "app::(anonymous namespace)::Buffer::operator new[](unsigned long)",
        "std::vector<app::Key, std::allocator<app::Key>>::push_back(app::Key const&)",
        "void std::vector<int>::_M_realloc_insert<int const&>(int const&)",
        "std::_Function_handler<void (), app::run()::{lambda()#1}>::_M_invoke(std::_Any_data const&)",
        "std::unique_ptr<app::Key> std::make_unique<app::Key, int>(int&&)",
        "__gnu_cxx::new_allocator<char>::allocate(unsigned long, void const*)",
        "__gnu_debug::_Safe_sequence_base::_M_detach_all()",
        "absl::lts_20230125::container_internal::raw_hash_set<int>::resize(unsigned long)",
        "boost::container::vector<int>::push_back(int const&)",
        "boost::make_shared<app::Key>()",
        "alloc::raw_vec::RawVec<T,A>::grow_one",
        "alloc::vec::Vec::<u8>::push",
        "<alloc::vec::Vec<T,A> as core::clone::Clone>::clone",
        "<T as alloc::string::ToString>::to_string",
        "<[T] as alloc::slice::hack::ConvertVec>::to_vec",
        "<alloc::vec::Vec<u8>>::push",
        "alloc::slice::<impl [T]>::to_vec",
        "core::ops::function::FnOnce::call_once",
        "hashbrown::raw::RawTable<T,A>::reserve_rehash",
        "std::collections::hash::map::HashMap<K,V,S>::insert",
    ],
)
def test_libraries_of_c_plus_plus_and_rust_are_not_to_blame(function):
    assert is_wrapper(function)


@pytest.mark.parametrize(
    "function",
    OWN.split(),
)
def test_functions_of_a_program_are_to_blame(function):
    assert not is_wrapper(function)


@pytest.mark.parametrize(
    "function",
    [
        "app::Cache<std::string>::put(std::string const&)",
        "std::string app::name<int>(int)",
        "app::std::put()",
        "core::Engine::start()",
        "alloc::Engine::start()",
        "app::operator<<(std::ostream&, app::Key const&)",
        "app::run()::{lambda(std::string)#1}::operator()(std::string) const",
        "<app::Key as core::clone::Clone>::clone",
        "<alloc::vec::Vec<T> as app::Encode>::encode",
        "boost::asio::io_context::run()",
    ],
)
def test_what_only_uses_a_library_is_to_blame(function):
    assert not is_wrapper(function)


@pytest.mark.parametrize(
    "file",
    [
        "/usr/include/c++/13/bits/new_allocator.h",
        "/opt/llvm/include/c++/v1/vector",
        "/usr/include/x86_64-linux-gnu/bits/stdio2.h",
        "/usr/include/bits/string_fortified.h",
        "/build/gcc-13/src/libstdc++-v3/libsupc++/new_op.cc",
        "/rustc/90b35a6239c3d8bdabc530a6a0816f7ff89a0aaf/library/alloc/src/raw_vec.rs",
        "/usr/src/rustc-1.75.0/library/core/src/ops/function.rs",
        "/home/dev/.rustup/toolchains/stable/lib/rustlib/src/rust/library/std/src/rt.rs",
        "library/alloc/src/vec/mod.rs",
        "/home/dev/.cargo/registry/src/hashbrown-0.14.3/src/raw/mod.rs",
    ],
)
def test_a_bare_name_of_an_inlined_function_is_decided_by_its_file(file):
    assert is_wrapper("allocate", file=file, inlined=True)


@pytest.mark.parametrize(
    "file",
    [
        "/src/bits/allocate.c",
        "/src/include/bits/set.h",
        "/src/library/core/src/io.cpp",
        "/src/c++/a.cc",
    ],
)
def test_a_file_of_a_program_with_such_a_name_is_its_own(file):
    assert not is_wrapper("allocate", file=file)


@pytest.mark.parametrize(
    "path",
    MODULES.split(),
)
def test_a_run_time_is_not_to_blame_with_or_without_names(path):
    assert is_wrapper("anything", module=path)
    assert is_wrapper(None, module=path)


@pytest.mark.parametrize(
    "path", ["/srv/libcache.so", "/srv/ld", "/lib/libcurl.so.4", "/srv/libc", None]
)
def test_other_modules_are_code_like_any(path):
    assert not is_wrapper("anything", module=path)
    assert not is_wrapper(None, module=path)


def test_the_first_frame_that_is_no_wrapper_is_to_blame():
    inlined = frame("allocate", file="/usr/include/c++/13/bits/alloc.h", inlined=True)
    stack = (
        "operator new(unsigned long)",
        inlined,
        "std::vector<int>::reserve(int)",
        "fill",
        "main",
    )
    assert blamed(*stack) == "fill"


def test_code_of_a_program_that_a_library_calls_back_is_met_first():
    assert blamed("compare", frame("qsort", module=LIBC), "sort_all", "main") == "compare"
    assert blamed("work", frame("start_thread", module=LIBC)) == "work"


def test_code_without_a_name_is_to_blame_like_any():
    assert responsible([frame("xmalloc"), frame(None), frame("main")], RULES) == 1


def test_nameless_code_that_a_wrapper_of_its_module_calls_is_a_part_of_it():
    library = "/usr/lib/libsqlite3.so.0"
    inner, insert = frame(None, module=library), frame("sqlite3BtreeInsert", module=library)
    assert blamed(inner, frame("sqlite3Malloc", module=library), insert) == "sqlite3BtreeInsert"
    assert blamed(inner, frame("qsort", module=LIBC), "main") is None  # a callback, to blame itself


def test_where_all_are_wrappers_it_is_the_outermost_that_was_asked_by_nobody():
    libc = [
        frame(name, module=LIBC)
        for name in ("_nl_load_locale", "setlocale", None, "__libc_start_call_main")
    ]
    assert blamed(*libc, "_start") == "setlocale"


def test_where_only_what_starts_programs_is_there_it_is_named():
    assert blamed(frame("__libc_start_main", module=LIBC)) == "__libc_start_main"
    assert blamed(frame(None, module=LIBC), "_start") == "_start"
    assert responsible([frame(None, module=LIBC)] * 2, RULES) == 1


NODE, PYTHON = "/usr/bin/node", "/usr/lib/x86_64-linux-gnu/libpython3.12.so.1.0"


@pytest.mark.parametrize("host", [NODE, PYTHON, "/usr/bin/python3.12", "/opt/jdk/lib/libjvm.so"])
def test_what_a_virtual_machine_runs_is_to_blame_where_its_names_are_known(host):
    run = [frame("allocate_inside", module=host), frame("py::leak:/app.py", module="[JIT]")]
    assert blamed("malloc", *run, frame("Run", module=host)) == "py::leak:/app.py"
    assert blamed("malloc", *run[:1], frame(None, module="[JIT]")) == "allocate_inside"
    assert blamed("malloc", *run[:1], frame("Run", module=host)) == "allocate_inside"


def test_a_library_that_a_virtual_machine_calls_is_to_blame_itself():
    script = frame("JS:leak /app.js:3:14", module="[JIT]")
    assert blamed(frame("native", module="/app/addon.node"), script) == "native"
    assert blamed(frame("uv_run", module=NODE), "native", script) == "native"


def test_no_frames_have_nobody_to_blame():
    assert responsible((), RULES) is None


def test_what_is_skipped_is_never_to_blame():
    rules = RULES.with_skipped(["^pool_", "<int>"])
    assert blamed("pool_get", "app::get<int>(int)", "serve", rules=rules) == "serve"
    assert blamed("pool_get", "malloc", rules=rules) == "malloc"
    assert blamed("pool_get", "pool_run", rules=rules) is None


def test_skipping_adds_to_what_is_skipped_already():
    rules = RULES.with_skipped(["a"]).with_skipped(["b"])
    assert blamed("a", "b", "c", rules=rules) == "c"
    assert RULES.with_skipped([]) == Rules.standard()


def test_a_pattern_that_is_none_is_refused():
    with pytest.raises(re.error):
        RULES.with_skipped(["("])


PREFIXES = (
    "",
    "std::",
    "sqlite3",
    "_IO_",
    "x",
    "<",
    "<&core::ptr::",
    "Swift.Array",
    "/usr/include/",
    "/rustc/",
    "libc",
)
PIECES = (
    *("a", "_", "::", "(", "&", "/", "1", ".", "-", "<", "&mut ", ">::", " as ", "core::ptr::x"),
    *("malloc", "_malloc", "_flags", "/usr/include/", "/bits/", "/gcc/a/b/include/", "library/"),
)


@pytest.mark.parametrize("patterns", ["FUNCTIONS", "ENTRIES", "FILES", "MODULES", "HOSTS"])
def test_no_pattern_backtracks_on_hostile_names(patterns):
    compiled = [re.compile(pattern, re.DOTALL) for pattern in getattr(wrappers, patterns)]
    started = time.process_time()
    for prefix in PREFIXES:
        for piece in PIECES:
            name = (prefix + piece * (4096 // len(piece)))[:4095] + "\0"
            for pattern in compiled:
                pattern.fullmatch(name)
    # 0.3 s; a pattern that backtracks exponentially would never end, a cubic one in hours.
    assert time.process_time() - started < 20


def test_fifty_thousand_sites_of_a_few_functions_take_no_second():
    stack = [frame(f"std::vector<int>::f{n}(int)") for n in range(20)]
    started = time.process_time()
    for _ in range(50_000):
        responsible(stack, RULES)
    # 0.1 s where this was written; the rest is room for slow machines.
    assert time.process_time() - started < 3


def test_what_is_remembered_is_bounded():
    assert module._blame.cache_info().maxsize == 1 << 14
