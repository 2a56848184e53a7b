"""The options that say how closely to watch, and at what price."""

import argparse

from ebpftrace.errors import UsageError

_NONE = "none"
_BUDGET = 5.0
_MOST = 100_000.0


_MODES = {
    "full": "every allocation",
    "sample": "those in windows of time, with an error",
    "growth": "which call sites take fresh memory, by page faults, for next to nothing and of any program",
    "auto": "what the budget allows",
}
_OF_RUN = ("full", "growth")


def add_mode(group: argparse.ArgumentParser | argparse._ArgumentGroup, *, of_run: bool) -> None:
    """`mode`, and `budget` in percent of one processor, None where there is no limit.

    `of_run`: of a watch that is the measure of a leak check, which no sample can be.
    """
    offered, usual = (_OF_RUN, "full") if of_run else (tuple(_MODES), "auto")
    means = "; ".join(f"{mode}: {_MODES[mode]}" for mode in offered)
    group.add_argument(
        "--mode",
        choices=offered,
        type=_mode_of_run if of_run else str,
        default=usual,
        help=f"{means} ({usual})",
    )
    limit = (
        "how much of one CPU auto and sample may take from the targets; none: no limit "
        f"({_BUDGET:g}%%)"
    )
    group.add_argument(
        "--budget",
        metavar="PERCENT",
        type=budget,
        default=_BUDGET,
        help=argparse.SUPPRESS if of_run else limit,
    )


def _mode_of_run(text: str) -> str:
    if text in _MODES and text not in _OF_RUN:
        raise argparse.ArgumentTypeError(
            f"run watches every allocation from the first one on, which {text} does not"
        )
    return text


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
