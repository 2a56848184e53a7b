"""Programs of the distribution whose heaps are compared, and the files that they work on."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_LONG_AGO = 1_600_000_000  # an index of git that is as old as its files has them read again
_SQL = """\
create table numbers(n integer, hex text);
with recursive upto(n) as (select 1 union all select n + 1 from upto where n < 5000)
insert into numbers select n, hex(n * 7919) from upto;
create index by_hex on numbers(hex);
select count(*), max(hex) from numbers where hex like '3%';
"""
_PERL = """\
my (%count, @lines);
for my $n (1 .. 5000) { $count{$n % 701} .= "x" x ($n % 13); push @lines, "$n" }
delete $count{$_} for 1 .. 300;
print join(",", (sort @lines)[0 .. 9]), scalar(keys %count), "\\n";
"""
_PYTHON = """\
import json, re, collections
rows = [{"name": f"row {n}", "tags": [n, str(n)]} for n in range(5000)]
told = json.dumps(rows)
print(len(told), collections.Counter(re.findall("[0-9]", told)).most_common(3), len(json.loads(told)))
"""
_BASH = """\
for n in {1..800}; do list[n]="item $n"; text="$text$n "; done
for n in {1..400}; do unset "list[n]"; done
echo "${#list[@]} ${#text}"
"""
_AWK = "{ count[$1 % 97] += NR; text = text $1 } END { for (n in count) s += count[n]; print s }"
_CMAKE = """\
foreach(n RANGE 2000)
  list(APPEND all "item ${n}")
  string(APPEND text "${n};")
  set_property(GLOBAL PROPERTY "p${n}" "value of ${n}")
endforeach()
list(LENGTH all count)
message("${count}")
"""
_C = """\
#include <stdio.h>
int main(void) { return printf("hello\\n") < 0; }
"""
_MAKE = "all: a b c\na b c:\n\t@echo $@ $(words $(foreach n,1 2 3 4 5 6 7 8,$(n)))\n"
_ROFF = ".TH TEST 1\n.SH NAME\ntest \\- a page\n.SH TEXT\n" + ".PP\nSome words to fill.\n" * 300


@dataclass(frozen=True, slots=True)
class Subject:
    """A command, run in the folder of `prepare`."""

    name: str
    command: tuple[str, ...]

    @property
    def here(self) -> bool:
        return shutil.which(self.command[0]) is not None


SUBJECTS = (
    Subject("ls -lR", ("ls", "-lR", "tree")),
    Subject("git log --stat", ("git", "--no-pager", "-C", "repository", "log", "--stat")),
    Subject("git status", ("git", "-C", "repository", "status")),
    Subject("python3, json", ("python3", "work.py")),
    Subject("perl", ("perl", "work.pl")),
    Subject("sqlite3", ("sqlite3", "-init", "work.sql", ":memory:", ".quit")),
    Subject("bash", ("bash", "work.bash")),
    Subject("gcc -c, the driver", ("gcc", "-c", "-o", "hello.o", "hello.c")),
    Subject("make", ("make", "--silent")),
    Subject("sort", ("sort", "--parallel=2", "-S", "1M", "numbers")),
    Subject("mawk", ("mawk", _AWK, "numbers")),
    Subject("jq", ("jq", "[.[] | {name, n: .tags[0]}] | length", "rows.json")),
    Subject("cmake -P", ("cmake", "-P", "work.cmake")),
    Subject("troff -man", ("troff", "-man", "-Tutf8", "page.1")),
    Subject("redis-server --version", ("redis-server", "--version")),
)


def chosen(names: list[str]) -> Iterator[Subject]:
    """All, or those whose names hold one of `names`."""
    for subject in SUBJECTS:
        if not names or any(name in subject.name for name in names):
            yield subject


def prepare(folder: Path) -> None:
    """Write what the commands need into `folder`."""
    for number in range(40):
        file = folder / "tree" / f"folder {number % 8}" / f"file {number}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{number}\n" * number)
    for name, text in (
        ("work.sql", _SQL),
        ("work.pl", _PERL),
        ("work.py", _PYTHON),
        ("work.bash", _BASH),
        ("work.cmake", _CMAKE),
        ("hello.c", _C),
        ("Makefile", _MAKE),
        ("page.1", _ROFF),
        ("numbers", "".join(f"{n * 7919 % 100_003}\n" for n in range(20_000))),
        ("rows.json", "[" + ",".join(f'{{"name":"r{n}","tags":[{n}]}}' for n in range(2000)) + "]"),
    ):
        (folder / name).write_text(text)
    if shutil.which("git") is not None:
        _repository(folder / "repository")


def _repository(folder: Path) -> None:
    folder.mkdir()
    author = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}

    def git(*words: str) -> None:
        subprocess.run(["git", "-C", folder, *author, *words], check=True, env=environment)

    git("init", "--quiet")
    for number in range(12):
        file = folder / f"file{number % 5}"
        file.write_text(f"{number}\n" * (number + 1))
        os.utime(file, (_LONG_AGO, _LONG_AGO + number))
        git("add", ".")
        git("commit", "--quiet", "--message", f"Commit {number}")
