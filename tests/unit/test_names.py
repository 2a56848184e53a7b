"""Demangled names made short, for people and for rules."""

import time

import pytest

from ebpftrace.analysis.names import bare, short

OPERATORS = "() [] < > <= >= <=> << >> <<= >>= -> ->* == != = + - * / % ^ & | ~ ! && || ++ -- += ,"


@pytest.mark.parametrize(
    "name, said",
    [
        ("session_create", "session_create"),
        (
            "std::vector<int, std::allocator<int>>::push_back(int const&)",
            "std::vector<…>::push_back",
        ),
        ("app::Cache<double>::put(double const&)", "app::Cache<…>::put"),
        ("app::(anonymous namespace)::Cache<double>::put(double)", "app::Cache<…>::put"),
        ("(anonymous namespace)::put()", "put"),
        ("_M_realloc_insert<int const&>", "_M_realloc_insert<…>"),
        ("a<b<c>>::d<e>::f(g<h>)", "a<…>::d<…>::f"),
        ("app::Cache<(app::Kind)1>::put()", "app::Cache<…>::put"),
        ("app::Cache<((1)>(2))>::put()", "app::Cache<…>::put"),
        ("app::Cache<&app::Key::operator< >::put()", "app::Cache<…>::put"),
        ("app::Cache<decltype (a->b)>::put()", "app::Cache<…>::put"),
        ("std::function<void (int)>::operator()(int) const", "std::function<…>::operator()"),
        ("app::Key::~Key()", "app::Key::~Key"),
    ],
)
def test_parameters_go_and_template_arguments_are_a_sign(name, said):
    assert short(name) == said


@pytest.mark.parametrize(
    "name, said",
    [
        ("void std::__fill<int*>(int*, int*)", "std::__fill<…>"),
        ("std::map<int, int> const& app::all<int>(int)", "app::all<…>"),
        ("decltype (a.begin()) app::first<int>(int&)", "app::first<…>"),
        ("int app::take<int>(int) [clone .isra.0]", "app::take<…>"),
        ("static Foo.bar(x: Swift.Int) -> Swift.String", "Foo.bar"),
    ],
)
def test_the_type_that_a_function_returns_goes(name, said):
    assert short(name) == said


@pytest.mark.parametrize(
    "operator",
    OPERATORS.split(),
)
def test_every_operator_survives(operator):
    name = f"app::Key::operator{operator}"
    assert short(f"{name}(app::Key const&) const") == name
    assert short(f"bool {name} <int>(app::Key<int> const&)") == f"{name} <…>"
    assert (
        short(f"app::Cache<int>::operator{operator}(int)") == f"app::Cache<…>::operator{operator}"
    )


@pytest.mark.parametrize(
    "name, said",
    [
        ("operator new(unsigned long)", "operator new"),
        ("operator delete[](void*, unsigned long)", "operator delete[]"),
        ('operator"" _km(long double)', 'operator"" _km'),
        ("app::Key::operator unsigned long() const", "app::Key::operator unsigned long"),
        ("app::Key::operator std::vector<int>() const", "app::Key::operator std::vector<…>"),
        ("operators(int)", "operators"),
    ],
)
def test_operators_of_words_survive(name, said):
    assert short(name) == said


@pytest.mark.parametrize(
    "name, said",
    [
        ("run(int)::{lambda(int)#1}::operator()(int) const", "run::{lambda#1}::operator()"),
        ("run(int) const::{lambda()#2}::operator()() const", "run::{lambda#2}::operator()"),
        ("run()::<lambda(int)>::operator()(int)", "run::<lambda>::operator()"),
        ("run()::'lambda'(int)::operator()(int) const", "run::'lambda'::operator()"),
        ("app::serve::{{closure}}", "app::serve::{{closure}}"),
        ("app::serve::{closure#0}", "app::serve::{closure#0}"),
    ],
)
def test_lambdas_survive(name, said):
    assert short(name) == said


@pytest.mark.parametrize(
    "name, said",
    [
        ("alloc::raw_vec::RawVec<T,A>::grow_one", "alloc::raw_vec::RawVec<…>::grow_one"),
        ("<T as alloc::string::ToString>::to_string",) * 2,
        ("<app::Key as core::fmt::Debug>::fmt",) * 2,
        ("<alloc::vec::Vec<T,A> as app::Put<K>>::put", "<alloc::vec::Vec<…> as app::Put<…>>::put"),
        ("<(A,B) as core::fmt::Debug>::fmt",) * 2,
        ("<&T as core::fmt::Debug>::fmt",) * 2,
        ("alloc::slice::<impl [T]>::to_vec",) * 2,
        ("alloc::vec::Vec::<u8>::push", "alloc::vec::Vec::<…>::push"),
        ("main.(*Cache).put",) * 2,
    ],
)
def test_names_of_rust_and_go_stay_readable(name, said):
    assert short(name) == said


@pytest.mark.parametrize(
    "name, said",
    [
        ("xmalloc.part.0", "xmalloc"),
        ("serve.constprop.0.isra.0", "serve"),
        ("main.cold", "main"),
        ("memcpy@@GLIBC_2.14", "memcpy"),
        ("app::put[abi:cxx11](int)", "app::put"),
    ],
)
def test_what_a_compiler_or_a_linker_adds_goes(name, said):
    assert short(name) == said


@pytest.mark.parametrize(
    "name",
    [
        "",
        "[abi:cxx11]",
        "x[/]y",
        "()",
        "<int>",
        ".cold",
        "a < b",
        "LazyCompile:*f /a b.js:1",
        "f(",
        "f<",
    ],
)
def test_what_is_no_such_name_stays_as_it_is(name):
    assert short(name) == name


@pytest.mark.parametrize(
    "name, said",
    [
        ("std::vector<int>::push_back(int const&)", "std::vector::push_back"),
        ("void std::__fill<int*>(int*)", "std::__fill"),
        ("bool operator< <int>(app::Key<int>)", "operator<"),
        ("alloc::vec::Vec::<u8>::push", "alloc::vec::Vec::push"),
        ("<alloc::vec::Vec<T> as app::Put>::put", "<alloc::vec::Vec as app::Put>::put"),
    ],
)
def test_rules_see_no_template_arguments_at_all(name, said):
    assert bare(name) == said


HOSTILE = [
    *"<({ ",
    "<(",
    "<>",
    "::<>",
    "f()::",
    "operator",
    "operator<",
    "a ",
    " const",
    "[abi:x",
    ".cold",
    "@a",
    "(anonymous namespace)::",
    "decltype(",
    '("',
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_names_take_linear_time(piece):
    length = 1 << 18
    for name in (piece * (length // len(piece)), "f()" + piece * (length // len(piece)) + "!"):
        started = time.process_time()
        bare(name)
        # A quadratic step would take minutes; a linear one 50 to 200 ms.
        assert time.process_time() - started < 5


@pytest.mark.parametrize("bracket", ["<>", "()", "{}"])
def test_brackets_may_lie_as_deep_as_a_name_is_long(bracket):
    depth = 50_000
    name = "f" + bracket[0] * depth + bracket[1] * depth
    assert short(name) in {"f<…>", "f", name}
