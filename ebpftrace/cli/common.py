"""The options that every watching command takes, and what this version does not have yet."""

import argparse
import logging
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ebpftrace.analysis.responsible import Rules
from ebpftrace.analysis.selection import SORT_KEYS, Selection
from ebpftrace.analysis.suppressions import Suppressions
from ebpftrace.cli.command import positive_time, regex, size, time, typed, whole
from ebpftrace.cli.modes import add_mode, check_mode
from ebpftrace.cli.pooling import add_pools, read_pools
from ebpftrace.errors import UsageError
from ebpftrace.text import clean_lines

if TYPE_CHECKING:
    from ebpftrace.kernel.backends import Backend

log = logging.getLogger(__name__)

_MOST_ENTRIES = 1 << 27
_TOP_JSON, _TOP_TEXT = 50, 10
_ANY = "auto"


def add_targets(parser: argparse.ArgumentParser, *, live: bool = True) -> None:
    """How a command is told which processes; `live`: it goes on with those that come later."""
    group = parser.add_argument_group("which processes (all that are named in any way)")
    _add_pids(group)
    later = ", now or later" if live else " now"
    group.add_argument(
        "-n",
        dest="names",
        metavar="NAME",
        action="append",
        default=[],
        type=_name,
        help=f"all that are called so{later}: by the name that ps -o comm has, or by that of the "
        "executable; may be given more than once",
    )
    group.add_argument(
        "--cgroup",
        dest="groups",
        metavar="PATH",
        action="append",
        default=[],
        help=f"all in this control group and below{later}: a directory of it, or its path as "
        "/proc/PID/cgroup and systemd have it; may be given more than once",
    )
    if live:
        add_follow(group)


def add_pids(parser: argparse.ArgumentParser) -> None:
    """Only -p."""
    _add_pids(parser.add_argument_group("which processes"))


def add_follow(group: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """The children of what is watched."""
    group.add_argument(
        "--follow",
        action="store_true",
        help="also what these fork off from now on, and what that forks off",
    )


def _name_of_process(text: str) -> str:
    if not text:
        raise UsageError("'' is called nothing")
    if "/" in text:
        raise UsageError(f"{text!r} is a path; give the name that comes last in it")
    return text


_name = typed(_name_of_process)


def _add_pids(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "-p",
        dest="pids",
        metavar="PID",
        action="append",
        default=[],
        type=whole(1, (1 << 31) - 1),
        help="a process; may be given more than once",
    )


def add_common(parser: argparse.ArgumentParser, *, of_run: bool = False) -> None:
    """The common options of commands that watch. Sizes take 4k, 2M; times 500ms, 10s, 5m. `of_run`: see `add_mode`."""
    add_when(parser, "pictures")
    add_shown(parser)
    add_naming(parser)
    add_tracked(parser, of_run=of_run)
    add_logging(parser)


def add_when(parser: argparse.ArgumentParser, counted: str) -> None:
    """How often and how long; `counted`: what --count counts."""
    when = parser.add_argument_group("how long (times: 500ms, 10s, 5m)")
    when.add_argument(
        "--interval",
        metavar="TIME",
        type=positive_time,
        default=1.0,
        help="time from one picture to the next (1s)",
    )
    when.add_argument("--duration", metavar="TIME", type=positive_time, help="end after this time")
    when.add_argument(
        "--count", metavar="N", type=whole(1, 1 << 30), help=f"end after this many {counted}"
    )


def add_tracked(parser: argparse.ArgumentParser, *, of_run: bool = False) -> None:
    """What the kernel side keeps, and how."""
    kept = parser.add_argument_group("what is tracked (sizes: 512, 4k, 2M)")
    kept.add_argument(
        "--min-size", metavar="SIZE", type=size, default=0, help="leave smaller allocations out"
    )
    kept.add_argument("--max-size", metavar="SIZE", type=size, help="leave larger ones out")
    kept.add_argument(
        "--stack-depth",
        metavar="N",
        type=whole(1, 127),
        default=127,
        help="keep at most so many frames of a stack (127)",
    )
    kept.add_argument(
        "--max-blocks",
        metavar="N",
        type=whole(1, _MOST_ENTRIES),
        help="keep at most so many outstanding blocks (by the memory that is available)",
    )
    kept.add_argument(
        "--max-stacks",
        metavar="N",
        type=whole(1, _MOST_ENTRIES),
        help="keep at most so many different stacks (by the memory that is available)",
    )
    kept.add_argument(
        "--drain-after",
        metavar="TIME",
        type=positive_time,
        help="record no allocations from then on, only frees: what remains is what is kept",
    )
    add_mode(kept, of_run=of_run)
    add_pools(parser)
    add_backend(kept)


def add_suppressions(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """What is hidden; see `read_suppressions`."""
    parser.add_argument(
        "--suppressions",
        metavar="FILE",
        action="append",
        default=[],
        help="hide what a file in Valgrind's or LeakSanitizer's syntax names, and say how much that "
        "is; may be given more than once",
    )


def add_shown(parser: argparse.ArgumentParser) -> None:
    """What `selection` is made of."""
    what = parser.add_argument_group("what is shown (totals always cover everything)")
    add_top(what)
    what.add_argument("--sort", choices=SORT_KEYS, default="bytes", help="what comes first (bytes)")
    what.add_argument(
        "--older", metavar="TIME", type=time, help="only sites with a block at least this old"
    )
    add_picked(what)


def add_top(group: argparse._ArgumentGroup) -> None:
    """How many call sites are written; see `listed`."""
    group.add_argument(
        "--top",
        metavar="N",
        type=whole(0, 1 << 30),
        help=f"write so many call sites; 0 is all ({_TOP_TEXT}, in JSON {_TOP_JSON})",
    )


def add_picked(parser: argparse._ArgumentGroup) -> None:
    """Which functions are never blamed, and which sites are hidden."""
    parser.add_argument(
        "--skip-frame",
        dest="skip_frames",
        metavar="REGEX",
        action="append",
        default=[],
        type=regex,
        help="never blame a function in which this is found; may be given more than once",
    )
    add_suppressions(parser)


def add_naming(parser: argparse.ArgumentParser) -> None:
    """Where the names of frames come from."""
    group = parser.add_argument_group("how code is named")
    group.add_argument(
        "--no-dwarf",
        action="store_true",
        help="by symbol tables only: no files, lines and inlined functions",
    )
    group.add_argument(
        "--debuginfod",
        action="store_true",
        help="fetch missing debug files from the servers of DEBUGINFOD_URLS",
    )


def add_backend(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """How the probes are held: None lets the host decide."""
    parser.add_argument(
        "--backend",
        choices=(_ANY, "session", "multi", "perf"),
        default=_ANY,
        help="how the kernel holds the probes; auto: the best way that works here",
    )


def chosen_backend(given: argparse.Namespace) -> "Backend | None":
    """What `add_backend` was given; None for auto."""
    return None if given.backend == _ANY else given.backend


def add_logging(parser: argparse.ArgumentParser) -> None:
    """Where the tool's own words go."""
    group = parser.add_argument_group("about the tool itself")
    group.add_argument("--log-file", metavar="FILE", help="append its log to this file")
    group.add_argument(
        "--debug", action="store_true", help="log every step, to stderr or to --log-file"
    )


def check_common(given: argparse.Namespace) -> None:
    """UsageError for what this version does not do, and for what contradicts itself."""
    check_mode(given)
    if given.max_size is not None and given.max_size < given.min_size:
        raise UsageError("--max-size is below --min-size, so nothing would be tracked.")
    if given.no_dwarf and given.debuginfod:
        raise UsageError("--debuginfod fetches what --no-dwarf does not read; give one of them.")
    read_pools(given)


def read_suppressions(given: argparse.Namespace) -> Suppressions | None:
    """What `add_suppressions` was given, with notes about it; None for nothing. UsageError."""
    if not given.suppressions:
        return None
    several = [Suppressions.read(path, _demangled) for path in dict.fromkeys(given.suppressions)]
    for sentence in dict.fromkeys(sentence for one in several for sentence in one.notes):
        note(sentence)
    return Suppressions.joined(several)


def _demangled(name: str) -> str:
    from ebpftrace.symbols.demangling import demangled

    return demangled(name)


def log_unused(suppressions: Suppressions | None) -> None:
    """At the end, for who looks after the file."""
    for name in suppressions.unused() if suppressions is not None else ():
        log.debug("this suppression has hidden nothing: %s", name)


def listed(given: argparse.Namespace) -> int:
    """How many sites are written: --top, else fewer for people than for programs."""
    if given.top is not None:
        return int(given.top)
    return _TOP_JSON if given.json else _TOP_TEXT


def selection(
    given: argparse.Namespace, top: int, suppressions: Suppressions | None = None
) -> Selection:
    """What a view shows; `top` is what it has without --top."""
    rules = Rules.standard().with_skipped(given.skip_frames)
    top = top if given.top is None else given.top
    return Selection(given.sort, top, given.older, rules, suppressions)


def note(sentence: str) -> None:
    """Tell the user something that is not data: on stderr, which may be closed by now."""
    try:
        sys.stderr.write(f"ebpftrace: {clean_lines(sentence)}\n")
        sys.stderr.flush()
    except OSError:
        log.info("%s", sentence)


def named_pids(given: argparse.Namespace) -> list[int]:
    """Those of -p, as `distinct_pids`. UsageError where no process is named in any way."""
    if not (given.pids or given.names or given.groups):
        raise UsageError("No process was named; use -p PID, -n NAME or --cgroup PATH.")
    return distinct_pids(given.pids)


def distinct_pids(pids: Sequence[int]) -> list[int]:
    """Each pid once, with a note about those given twice."""
    distinct = list(dict.fromkeys(pids))
    for pid in distinct:
        if pids.count(pid) > 1:
            note(f"process {pid} was given {pids.count(pid)} times; it counts once.")
    return distinct
