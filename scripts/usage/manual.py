"""The manual page: every command, and every option once, also where several commands have it."""

import ast
import inspect
from collections.abc import Callable, Container, Iterator, Mapping, Sequence

from ebpftrace import __version__
from ebpftrace.cli import exits
from scripts.usage import prose, roff
from scripts.usage.grammar import Argument, Command, Grammar, Group, Option

_SECTION = 1


def page(grammar: Grammar, day: str) -> str:
    """The text of ebpftrace.1; `day`: that of the release, empty before it."""
    return roff.document(_lines(grammar, day))


def _lines(grammar: Grammar, day: str) -> Iterator[str]:
    program = grammar.program
    yield '.\\" Made by scripts/manual of the options as the program has them: change them there.'
    yield from roff.title(program, _SECTION, day, f"{program} {__version__}", "User Commands")
    yield roff.heading("NAME")
    yield f"{roff.escaped(program)} \\- {roff.escaped(prose.NAME)}"
    yield roff.heading("SYNOPSIS")
    yield from _synopsis(grammar)
    yield roff.heading("DESCRIPTION")
    yield from roff.flowing(prose.DESCRIPTION)
    headings = _shared(grammar)
    yield roff.heading("COMMANDS")
    for command in grammar.commands:
        yield from _command(command, headings)
    yield roff.heading("OPTIONS OF SEVERAL COMMANDS")
    yield from _definition(Option(("-h", "--help"), prose.HELP))
    yield from _definition(Option(("--version",), prose.VERSION))
    for heading, having in headings.items():
        yield from _shared_options(heading, having)
    yield roff.heading("EXIT STATUS")
    yield from _exit_status()
    yield roff.heading("ENVIRONMENT")
    yield from _terms(prose.ENVIRONMENT, roff.bold)
    yield roff.heading("FILES")
    yield from _terms(prose.FILES, roff.italic)
    yield roff.heading("EXAMPLES")
    for says, lines in prose.EXAMPLES.items():
        yield from roff.paragraph(says)
        yield from roff.example(lines)
    yield roff.heading("SEE ALSO")
    *others, last = (f".BR {roff.escaped(name)} ({number})" for name, number in prose.SEE_ALSO)
    yield from (f"{other} ," for other in others)
    yield last


# --- how a command is called ---------------------------------------------------------------------


def _synopsis(grammar: Grammar) -> Iterator[str]:
    for command in grammar.commands:
        words = [roff.bold(f"{grammar.program} {command.name}"), *_needed(command)]
        yield " ".join(words)
        yield ".br"
    yield f"{roff.bold(grammar.program)} {roff.bold('--help')} | {roff.bold('--version')}"


def _needed(command: Command) -> Iterator[str]:
    for option in command.options:
        if option.required:
            yield _flags(option)
    for word in prose.NEEDED.get(command.name, "").split():
        yield roff.bold(word) if word.startswith("-") else roff.italic(word)
    yield f"[{roff.italic('OPTION')}...]"
    yield from (_argument(argument) for argument in command.arguments)
    if command.program:
        yield f"{roff.bold('--')} {roff.italic('CMD')} [{roff.italic('ARGUMENT')}...]"


def _argument(argument: Argument) -> str:
    return roff.italic(argument.name) + ("..." if argument.several else "")


# --- options -------------------------------------------------------------------------------------


def _parted(title: str) -> tuple[str, str]:
    """The heading of a group, and what its title says in parentheses behind it."""
    heading, _, remark = title.partition(" (")
    return heading, remark.removesuffix(")")


def _shared(grammar: Grammar) -> dict[str, dict[Command, Group]]:
    """The headings that several commands have, each with the group of each of them."""
    found: dict[str, dict[Command, Group]] = {}
    for command in grammar.commands:
        for group in command.groups:
            if group.title:
                found.setdefault(_parted(group.title)[0], {})[command] = group
    return {heading: having for heading, having in found.items() if len(having) > 1}


def _command(command: Command, shared: Container[str]) -> Iterator[str]:
    yield roff.subheading(command.name)
    yield from roff.flowing(command.description)
    for argument in command.arguments:
        yield from roff.definition(_argument(argument), argument.help)
    elsewhere = []
    for group in command.groups:
        heading, _ = _parted(group.title)
        if heading in shared:
            elsewhere.append(heading)
            continue
        if group.title:
            yield from roff.caption(_capital(group.title))
        for option in group.options:
            if "--help" not in option.flags:
                yield from _definition(option)
    yield from roff.flowing(command.epilog)
    if elsewhere:
        yield from roff.paragraph(f"Further options, below: {', '.join(elsewhere)}.")


def _shared_options(heading: str, having: Mapping[Command, Group]) -> Iterator[str]:
    """Each option once, with the commands that it is of where these are not all of them."""
    yield roff.subheading(_capital(heading))
    remarks: dict[str, list[str]] = {}
    options: dict[Option, list[str]] = {}
    for command, group in having.items():
        remarks.setdefault(_parted(group.title)[1], []).append(command.name)
        for option in group.options:
            options.setdefault(option, []).append(command.name)
    for remark, names in remarks.items():
        yield from roff.paragraph(f"Of {_enumerated(names)}{remark and f' ({remark})'}.")
    # Those of one name beside each other, where commands differ in what they say of it.
    order = {name: index for index, name in enumerate(dict.fromkeys(one.dest for one in options))}
    for option in sorted(options, key=lambda one: order[one.dest]):
        names = options[option]
        yield from _definition(option, "" if len(names) == len(having) else ", ".join(names))


def _definition(option: Option, commands: str = "") -> Iterator[str]:
    note = roff.escaped(f" ({commands})") if commands else ""
    yield from roff.definition(f"{_flags(option)}{note}", option.help)


def _flags(option: Option) -> str:
    """`-o FILE, --output FILE`."""
    value = "" if option.value is None else f" {_value(option)}"
    return ", ".join(roff.bold(flag) + value for flag in option.flags)


def _value(option: Option) -> str:
    assert option.value is not None
    if option.value.startswith("{"):
        return "|".join(map(roff.bold, option.choices))
    return roff.italic(option.value)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _enumerated(names: Sequence[str]) -> str:
    *others, last = (f"`{name}`" for name in names)
    return f"{', '.join(others)} and {last}" if others else last


# --- the other sections --------------------------------------------------------------------------


def _terms(terms: dict[str, str], style: Callable[[str], str]) -> Iterator[str]:
    for term, says in terms.items():
        yield from roff.definition(style(term), says)


def _exit_status() -> Iterator[str]:
    for code, says in _codes():
        yield from roff.definition(roff.bold(str(code)), says)
    yield from roff.flowing(prose.EXIT_OF_RUN)


def _codes() -> Iterator[tuple[int, str]]:
    """The table of `cli.exits`, with what stands below each."""
    (table,) = (
        one for one in ast.parse(inspect.getsource(exits)).body if isinstance(one, ast.ClassDef)
    )
    for code, says in zip(table.body, table.body[1:], strict=False):
        if isinstance(code, ast.Assign) and isinstance(says, ast.Expr):
            yield ast.literal_eval(code.value), ast.literal_eval(says.value)
