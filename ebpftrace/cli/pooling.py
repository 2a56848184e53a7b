"""The options by which a user names functions of pools."""

import argparse
from typing import TYPE_CHECKING

from ebpftrace.errors import UsageError

if TYPE_CHECKING:
    from ebpftrace.probes.functions import Role
    from ebpftrace.probes.pools import Pools


def add_pools(parser: argparse.ArgumentParser) -> None:
    """What `read_pools` reads."""
    group = parser.add_argument_group(
        "pools of the program's own (arguments count from 0; each may be given more than once)"
    )
    group.add_argument(
        "--alloc",
        dest="allocs",
        metavar="NAME:size=argN",
        action="append",
        default=[],
        help="a function that gives a block; count=argN: of so many elements of that size; out=argN: "
        "it stores the pointer there instead of returning it",
    )
    group.add_argument(
        "--realloc",
        dest="reallocs",
        metavar="NAME:ptr=argN,size=argN",
        action="append",
        default=[],
        help="a function that resizes a block",
    )
    group.add_argument(
        "--free",
        dest="frees",
        metavar="NAME:ptr=argN",
        action="append",
        default=[],
        help="a function that takes a block back",
    )


def read_pools(given: argparse.Namespace) -> "Pools":
    """The functions that were named. UsageError."""
    # Not at the top: `--version` needs none of the capture half.
    from ebpftrace.probes.pools import Pools, parsed, pools

    said: tuple[tuple[str, Role, list[str]], ...] = (
        ("--alloc", "birth", given.allocs),
        ("--realloc", "resize", given.reallocs),
        ("--free", "death", given.frees),
    )
    if not any(texts for _, _, texts in said):
        return Pools()
    from ebpftrace.symbols.demangling import demangled

    functions = []
    for option, role, texts in said:
        for text in texts:
            try:
                functions.append(parsed(role, text))
            except UsageError as error:
                raise UsageError(f"{option}: {str(error).rstrip('.')}.") from None
    return pools(functions, demangled)
