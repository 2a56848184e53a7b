"""`ebpftrace probes`: what `attach` would probe, and why there."""

import argparse
import sys
from typing import TYPE_CHECKING

from ebpftrace.cli.command import Command
from ebpftrace.cli.common import (
    add_backend,
    add_logging,
    add_targets,
    chosen_backend,
    named_pids,
)
from ebpftrace.cli.exits import Exit
from ebpftrace.cli.log import start_logging
from ebpftrace.cli.pooling import add_pools, read_pools
from ebpftrace.errors import CannotAttach

if TYPE_CHECKING:
    from ebpftrace.session.pricing import Offer
    from ebpftrace.target.loader import Loader


class Probes(Command):
    """Print the probes that attach would place, with reasons; attach nothing."""

    name = "probes"
    fails_by = CannotAttach

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Targets, and how the probes would be held."""
        add_targets(parser, live=False)
        add_pools(parser)
        add_backend(parser)
        add_logging(parser)

    def run(self) -> Exit:
        """Plan and print."""
        pools = read_pools(self.given)
        start_logging(self.given)
        pids = named_pids(self.given)
        from ebpftrace.cli.targets import open_processes, wanted_of
        from ebpftrace.probes.plan import plan
        from ebpftrace.probes.table import describe
        from ebpftrace.session import pricing
        from ebpftrace.target.loader import loader_of
        from ebpftrace.target.modules import open_modules

        wanted = wanted_of(self.given)
        processes = open_processes(pids, wanted)
        if not processes:
            raise CannotAttach(f"Not running now: {', '.join(wanted.missing(()))}.")
        prepared = pricing.start(chosen_backend(self.given))
        mapped = [(process, open_modules(process)) for process in processes]
        plans = [
            (each, plan(each, modules, pools=pools), loader_of(each, modules))
            for each, modules in mapped
        ]
        offer = pricing.offer(prepared)  # compiled meanwhile
        for process, made, loader in plans:
            sys.stdout.write(f"{process.comm} (pid {process.pid})  {process.exe}\n")
            price = offer.prices.of_probe if offer.prices else None
            sys.stdout.write("\n".join(describe(made, price)) + "\n")
            sys.stdout.write(f"{_later(loader)}\n")
        sys.stdout.write(f"{_terms(offer)}\n")
        sys.stdout.flush()
        return Exit.OK


def _later(loader: "Loader | None") -> str:
    """How an allocator in a library that it loads later would be found."""
    if loader is None:
        return (
            "note: nothing tells of libraries that it loads later: attach reads its maps every 5 s."
        )
    return f"Of libraries that it loads later {loader.module.name} tells, by _dl_debug_state."


def _terms(offer: "Offer") -> str:
    """How the probes would be held, and what the prices mean."""
    if offer.prices is None:
        return f"note: prices are not known: {offer.why}"
    return (
        f"Held by {offer.backend}. A price is what one call costs the process with all that is done "
        f"for it, measured now at a stack of {offer.depth} frames. What an exit adds is for a branch that is "
        "passed on the way, or for a `ret` by which the call leaves."
    )
