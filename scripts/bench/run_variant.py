"""Runs the tool with a variant of its kernel side: the name of the variant, then its arguments."""

import sys
from pathlib import Path

from ebpftrace.kernel import sources
from scripts.bench.variants import named, with_session_cookie


def main() -> int:
    variant = named(sys.argv[1])
    flatten = sources.flatten

    def varied(name: str = "ebpftrace.c", root: Path | None = None) -> str:
        return variant.applied(flatten(name, root))

    sources.flatten = varied  # before the compiler is imported, which takes it as its default
    from ebpftrace.kernel import compiler, instructions, programs

    if compiler.TRACER.text is not varied:
        raise SystemExit("run_variant: the compiler would compile the text as it is")
    if vars(programs)["session"] is not instructions.session:
        raise SystemExit("run_variant: session programs are no longer made by instructions.session")
    if variant.session_only:
        vars(programs)["session"] = with_session_cookie(instructions.session)
    from ebpftrace.cli.main import main as run_tool

    return run_tool(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
