"""What `scripts/run-bench` measures: three programs, and the files that they work on."""

from dataclasses import dataclass
from pathlib import Path

_FILES = 12
_FUNCTIONS = 60
_FUNCTION = """\
static int step_{n}(const int *values, int count)
{{
    int sum = {n};
    for (int i = 0; i < count; i++)
        sum += values[i] % {odd} ? values[i] * sum : sum / {odd};
    return sum;
}}
"""
_MAKEFILE = """\
CFLAGS = -O1
OBJECTS = {objects}
program: $(OBJECTS)
\t$(CC) -o $@ $(OBJECTS)
"""
# About a second of CPU time bare, with 1.1 and 1.9 million allocations.
_SQL = """\
create table numbers(n integer, hex text);
with recursive upto(n) as (select 1 union all select n + 1 from upto where n < 350000)
insert into numbers select n, hex(n * 7919) from upto;
create index by_hex on numbers(hex);
select count(*), max(hex) from numbers where hex like '3%';
"""
_PERL = """\
my %rows;
for my $turn (1 .. 3) {
    for my $n (1 .. 120_000) { $rows{$n} = [$n, "row $n of $turn", {turn => $turn}] }
}
print scalar(keys %rows), "\\n";
"""


@dataclass(frozen=True, slots=True)
class Job:
    """A command, run in the folder of `prepare`."""

    name: str
    command: tuple[str, ...]


START = Job("true", ("/bin/true",))
"""For the start-up of each tool alone."""
JOBS = (
    Job(f"make of {_FILES} files", ("make", "--silent", "--always-make")),
    Job("sqlite3", ("sqlite3", "-init", "work.sql", ":memory:", ".quit")),
    Job("perl", ("perl", "work.pl")),
)


def prepare(folder: Path) -> None:
    """Write what the commands need into `folder`."""
    for number in range(_FILES):
        (folder / f"part{number}.c").write_text(_source(number))
    objects = " ".join(f"part{number}.o" for number in range(_FILES))
    (folder / "Makefile").write_text(_MAKEFILE.format(objects=objects))
    (folder / "work.sql").write_text(_SQL)
    (folder / "work.pl").write_text(_PERL)


def _source(number: int) -> str:
    steps = "".join(_FUNCTION.format(n=n, odd=2 * n + 3) for n in range(_FUNCTIONS))
    sums = " + ".join(f"step_{n}(values, count)" for n in range(_FUNCTIONS))
    name = f"part{number}" if number else "main"
    parameters = "const int *values, int count" if number else "void"
    local = "" if number else "    int values[] = {1, 2, 3}, count = 3;\n"
    result = sums if number else f"({sums}) == 0"
    return f"{steps}\nint {name}({parameters})\n{{\n{local}    return {result};\n}}\n"
