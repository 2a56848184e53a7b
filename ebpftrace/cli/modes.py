"""The options that say how closely to watch, and at what price."""

import argparse

from ebpftrace.errors import UsageError

_NONE = "none"
_BUDGET = 5.0
_MOST = 100_000.0


def add_mode(group: argparse.ArgumentParser | argparse._ArgumentGroup, *, default: str) -> None:
    """`mode`, and `budget` in percent of one processor, None where there is no limit."""
    group.add_argument(
        "--mode",
        choices=("full", "sample", "growth", "auto"),
        default=default,
        help="full: every allocation; sample: those in windows of time, with an error; growth: which call "
        "sites take fresh memory, by page faults, for next to nothing and of any program; auto: what the budget "
        f"allows ({default})",
    )
    group.add_argument(
        "--budget",
        metavar="PERCENT",
        type=budget,
        default=_BUDGET,
        help="of one CPU, that auto and sample may take from the targets; none: no limit "
        f"({_BUDGET:g}%%)",
    )


def budget(text: str) -> float | None:
    """`5%`, `5` or `none`: percent of one processor; None where there is no limit."""
    if text == _NONE:
        return None
    try:
        percent = float(text.removesuffix("%"))
    except ValueError:
        percent = -1.0
    if not 0 < percent <= _MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a budget; use 5%, 0.5 or none")
    return percent


def check_mode_of_run(given: argparse.Namespace) -> None:
    """UsageError for what cannot be the measure of a leak check."""
    if given.mode in ("sample", "auto"):
        raise UsageError(
            f"run watches every allocation from the first one on, which --mode {given.mode} does not."
        )


def check_mode(given: argparse.Namespace) -> None:
    """UsageError for what contradicts itself."""
    if given.mode == "growth":
        _check_growth(given)


def _check_growth(given: argparse.Namespace) -> None:
    """UsageError for options that are about blocks."""
    about_blocks = {
        "--min-size": given.min_size,
        "--max-size": given.max_size is not None,
        "--max-blocks": given.max_blocks is not None,
        "--drain-after": given.drain_after is not None,
        "--alloc": given.allocs,
        "--realloc": given.reallocs,
        "--free": given.frees,
        "--trace-log": getattr(given, "trace_log", None) is not None,
        "--error-exitcode": getattr(given, "error_exitcode", None) is not None,
    }
    option = next((name for name, value in about_blocks.items() if value), None)
    if option is not None:
        raise UsageError(
            f"{option} is about blocks, and --mode growth sees none: it watches which call sites take fresh "
            "memory from the kernel."
        )
