"""`ebpftrace probes`: what `attach` would probe, and why there."""

import argparse
import sys

from ebpftrace.cli.command import Command
from ebpftrace.cli.common import add_logging, add_targets, distinct_pids, start_logging
from ebpftrace.cli.exits import Exit


class Probes(Command):
    """Print the probes that attach would place, with reasons; attach nothing."""

    name = "probes"

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Only targets: a plan depends on nothing else."""
        add_targets(parser)
        add_logging(parser)

    def run(self) -> Exit:
        """Plan and print."""
        start_logging(self.given)
        pids = distinct_pids(self.given.pids)
        from ebpftrace.cli.targets import open_processes
        from ebpftrace.probes.plan import plan
        from ebpftrace.probes.table import describe
        from ebpftrace.target.modules import open_modules

        for process in open_processes(pids):
            modules = open_modules(process)
            sys.stdout.write(f"{process.comm} (pid {process.pid})  {process.exe}\n")
            sys.stdout.write("\n".join(describe(plan(process, modules))) + "\n")
        sys.stdout.flush()
        return Exit.OK
