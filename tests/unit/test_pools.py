"""What a user says of pools, and where they are found in a process."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ebpftrace.cli.main import main
from ebpftrace.errors import UsageError
from ebpftrace.kernel import layout
from ebpftrace.model.ids import Pid
from ebpftrace.probes.functions import Shape
from ebpftrace.probes.plan import Plan, plan
from ebpftrace.probes.pools import FAMILY_ID, FIRST_ID, Pools, parsed, pools
from ebpftrace.symbols.demangling import demangled
from ebpftrace.target.process import Process
from tests.unit.elf_builder import Elf, Sym
from tests.unit.workbench import CODE, STANDARD, Workbench

LOCAL = 0
PUT = "_ZN4Pool3putEPv"
GET = "_ZN4Pool3getEm"
GET_TWO = "_ZN4Pool3getEml"


@pytest.fixture
def bench():
    made = Workbench()
    yield made
    made.close()


def named(*said: str) -> Pools:
    """By their roles in words: `alloc name:size=arg0`."""
    roles = {"alloc": "birth", "realloc": "resize", "free": "death"}
    words = [one.split(" ", 1) for one in said]
    return pools([parsed(roles[role], text) for role, text in words], demangled)  # type: ignore[arg-type]


def planned(bench: Workbench, *said: str) -> Plan:
    process = Process(Pid(1234), -1, 0, "prog", "/usr/bin/prog")
    return plan(process, bench.modules, bench.live, named(*said))


def pool_probes(made: Plan) -> list[tuple[str, str]]:
    return [(p.function.name, p.kind) for p in made.probes if p.family.name == "pool"]


@pytest.mark.parametrize(
    "role, text, shape",
    [
        ("birth", "get:size=arg1", Shape("birth", size=1)),
        ("birth", "get:size=arg1,ret", Shape("birth", size=1)),
        ("birth", " get : count = arg0 , size = arg5 ", Shape("birth", count=0, size=5)),
        ("birth", "get:size=arg1,out=arg0", Shape("birth", size=1, out=0)),
        ("birth", "Pool::get(int, long):size=arg1", Shape("birth", size=1)),
        ("resize", "more:ptr=arg0,size=arg1", Shape("resize", pointer=0, size=1)),
        ("death", "put:ptr=arg3", Shape("death", pointer=3)),
    ],
)
def test_the_arguments_of_a_function_are_where_they_were_said_to_be(role, text, shape):
    function = parsed(role, text)
    assert function.shape == shape
    assert function.name in {"get", "more", "put", "Pool::get(int, long)"}


@pytest.mark.parametrize(
    "role, text, sentence",
    [
        ("birth", "", "names no function"),
        ("birth", ":size=arg0", "names no function"),
        ("birth", "get", "says nothing of its arguments; it is given like pool_get:size=arg1"),
        ("birth", "get:", "says nothing of its arguments"),
        ("birth", "Pool::get", "'Pool::get' says nothing of its arguments"),
        ("birth", "get:count=arg0", "lacks size=argN"),
        ("birth", "get:size=arg0,ret,out=arg1", "has both ret and out"),
        ("birth", "get:size=arg6", "only arg0 to arg5"),
        ("birth", "get:size=8", "'8', and no argument such as arg0"),
        ("birth", "get:size=arg0,size=arg1", "two of size"),
        ("birth", "get:size=arg0,out=arg0", "arg0 both for size and for out"),
        ("birth", "get:size=arg0,align=arg1", "'align' of get is no argument of --alloc"),
        ("birth", "malloc:size=arg0", "malloc is watched without being named"),
        ("birth", "g\x1b[1m:size=arg0", "cannot be the name"),
        ("resize", "more:size=arg0", "lacks ptr=argN"),
        ("resize", "more:ptr=arg0,size=arg1,out=arg2", "'out' of more is no argument"),
        ("death", "put:size=arg0", "'size' of put is no argument of --free"),
        ("death", "put:ptr=arg0,ret", "'ret' of put is no argument"),
    ],
)
def test_what_cannot_be_meant_is_a_sentence(role, text, sentence):
    with pytest.raises(UsageError) as refused:
        parsed(role, text)
    assert sentence in str(refused.value)


@given(st.sampled_from(["birth", "resize", "death"]), st.text(max_size=60))
@example("birth", "a:size=arg" + "9" * 50)
@example("death", "a:ptr=arg\N{ARABIC-INDIC DIGIT ONE}")
def test_any_text_is_a_function_or_a_sentence(role, text):
    try:
        function = parsed(role, text)
    except UsageError:
        return
    assert function.name
    assert all(0 <= number <= 5 for number in function.arguments)


def test_one_name_given_twice_is_refused():
    with pytest.raises(UsageError, match="get was given twice"):
        named("alloc get:size=arg0", "alloc get:size=arg1")
    with pytest.raises(UsageError, match="both by --alloc and by --free"):
        named("alloc get:size=arg0", "free get:ptr=arg0")


def test_a_pool_that_gives_nothing_is_refused():
    with pytest.raises(UsageError, match="add --alloc"):
        named("free put:ptr=arg0")


def test_more_functions_than_there_are_numbers_are_refused():
    with pytest.raises(UsageError, match="More than 128"):
        named(*(f"alloc get{n}:size=arg0" for n in range(129)))


def test_their_numbers_are_no_others_and_a_symbol_is_shown_as_its_source_has_it():
    made = named(f"alloc {GET}:size=arg1", "free put:ptr=arg0")
    assert [f.id for f in made.functions] == [FIRST_ID, FIRST_ID + 1]
    assert made.functions[0].name == "Pool::get(unsigned long)"
    assert FAMILY_ID == layout.FAMILY_POOL == made.family.id


@pytest.mark.parametrize("command", ["attach", "record", "probes"])
def test_a_wrong_word_is_told_before_anything_is_attached(command, capsys, tmp_path):
    arguments = [command, "-p", "1", "--alloc", "get:size=arg9"]
    if command == "record":
        arguments += ["-o", str(tmp_path / "folder")]
    assert main(arguments) == 2
    assert "--alloc: size of get is arg9; only arg0 to arg5" in capsys.readouterr().err


def test_local_functions_of_every_file_are_probed_beside_malloc(bench):
    local = [Sym("get", value=48, bind=LOCAL), Sym("put", value=64, bind=LOCAL)]
    bench.module(Elf(symbols=[*STANDARD, *local], code=CODE))
    bench.module(Elf(symbols=local, code=CODE), "/usr/lib/libother.so")
    made = planned(bench, "alloc get:size=arg1", "free put:ptr=arg0")
    assert sorted(pool_probes(made)) == sorted(
        2 * [("get", "entry"), ("get", "return"), ("put", "entry")]
    )
    assert "pool" in made.families
    assert made.has_pools
    assert made.layered


def test_a_name_as_the_source_has_it_is_found_among_the_symbols(bench):
    symbols = [Sym(GET), Sym(GET_TWO, value=16), Sym(PUT, value=32)]
    bench.module(Elf(symbols=symbols, code=CODE))
    made = planned(bench, "alloc Pool::get( unsigned long ):size=arg1", "free Pool::put:ptr=arg1")
    assert {(p.function.name, p.names[-1]) for p in made.probes} == {
        ("Pool::get( unsigned long )", GET),
        ("Pool::put", PUT),
    }


def test_a_name_that_may_be_two_functions_is_not_guessed(bench):
    bench.module(Elf(symbols=[*STANDARD, Sym(GET, value=48), Sym(GET_TWO, value=64)], code=CODE))
    made = planned(bench, "alloc Pool::get:size=arg1")
    assert pool_probes(made) == []
    assert any("Give the one that is meant with its arguments" in note for note in made.notes)


def test_a_name_that_nobody_defines_is_told_with_those_near_it(bench):
    bench.module(Elf(symbols=[*STANDARD, Sym("pool_get", value=48)], code=CODE))
    made = planned(bench, "alloc pool_gte:size=arg1", "free pool_put:ptr=arg0")
    (note,) = [note for note in made.notes if "pool_gte" in note]
    assert "No file that process 1234 (prog) has mapped defines pool_gte, given by --alloc" in note
    assert "Near it: pool_get." in note
    made = planned(bench, "alloc Pool::get(int):size=arg1")
    assert any("defines Pool::get(int)" in note for note in made.notes)


def test_a_pool_without_an_end_says_that_its_blocks_stay(bench):
    bench.module(Elf(symbols=[*STANDARD, Sym("get", value=48)], code=CODE))
    assert any(
        "no --free was given" in note for note in planned(bench, "alloc get:size=arg1").notes
    )
    made = planned(bench, "alloc get:size=arg1", "free put:ptr=arg0")
    assert any("none that was given by --free is there" in note for note in made.notes)


def test_a_place_that_another_allocator_has_is_not_probed_twice(bench):
    bench.module(Elf(symbols=[*STANDARD, Sym("get", value=0)], code=CODE))
    made = planned(bench, "alloc get:size=arg0")
    assert pool_probes(made) == []
    assert any(
        "get of liballoc.so is watched without being named" in n or "get of" in n
        for n in made.notes
    )


def test_a_pool_through_which_an_exception_may_pass_has_no_return_probe(bench):
    symbols = [Sym("get"), Sym("put", value=32), Sym("__gxx_personality_v0", value=64)]
    bench.module(Elf(symbols=symbols, code=CODE))
    kinds = {
        kind for _, kind in pool_probes(planned(bench, "alloc get:size=arg0", "free put:ptr=arg0"))
    }
    assert kinds == {"entry", "exit"}


def test_what_may_call_back_code_that_throws_is_probed_at_its_exits_where_they_are_found(bench):
    returns, computed = b"\x48\x8b\x07\xc3", b"\xff\xe0"  # mov (%rdi), %rax; ret. jmp *%rax
    code = returns.ljust(32, b"\xcc") + computed.ljust(32, b"\xcc") + b"\xc3" * 64
    pools = [Sym("get", size=4), Sym("take", value=32, size=2), Sym("put", value=64)]
    bench.module(Elf(symbols=pools, code=code))
    words = ("alloc get:size=arg0", "alloc take:size=arg0", "free put:ptr=arg0")
    before = {("get", "return"), ("get", "entry"), ("take", "return"), ("take", "entry")}
    assert set(pool_probes(planned(bench, *words))) == {*before, ("put", "entry")}
    bench.module(Elf(symbols=[Sym("__gxx_personality_v0")], code=CODE))
    assert set(pool_probes(planned(bench, *words))) == {
        *(("get", "exit"), ("get", "entry")),
        *(("take", "return"), ("take", "entry"), ("put", "entry")),
    }


@pytest.mark.parametrize(
    "key", [layout.slot_key(5, 0x7000), layout.slot_key(5, 0x7000) | layout.IN_POOL]
)
def test_a_block_of_a_pool_is_of_the_slot_that_its_key_says(key):
    assert layout.slot_of(key) == 5
