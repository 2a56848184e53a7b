"""What the command line takes, read once from the parser: the manual and the completions are made of it.

The parser's actions are read and none of the help that it formats, which differs between versions of
Python and between widths of terminals.
"""

# argparse has no public way to ask a parser what it takes; these names are the same from 3.10 to 3.14.
# ruff: noqa: SLF001

import argparse
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Option:
    """`value`: how its value is called, None where it takes none. `without`: flags that rule it out."""

    flags: tuple[str, ...]
    help: str
    value: str | None = None
    choices: tuple[str, ...] = ()
    dest: str = ""
    repeated: bool = False
    required: bool = False
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Argument:
    """One without a flag; `several`: one or more of them."""

    name: str
    help: str
    several: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Options under one heading; that of a command's first has none."""

    title: str
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True)
class Command:
    """`program`: it ends with the command line of another program, which has options of its own."""

    name: str
    summary: str
    description: str
    epilog: str
    arguments: tuple[Argument, ...]
    groups: tuple[Group, ...]
    program: bool = False

    @property
    def options(self) -> tuple[Option, ...]:
        return tuple(option for group in self.groups for option in group.options)


@dataclass(frozen=True, slots=True)
class Grammar:
    """All of it; `options` are those that stand in front of a command."""

    program: str
    description: str
    options: tuple[Option, ...]
    commands: tuple[Command, ...]


def read(parser: argparse.ArgumentParser) -> Grammar:
    """What a parser with commands takes."""
    (commands,) = (one for one in parser._actions if isinstance(one, argparse._SubParsersAction))
    summaries = {one.dest: one.help or "" for one in commands._choices_actions}
    return Grammar(
        parser.prog,
        parser.description or "",
        tuple(_options(parser, parser._actions)),
        tuple(_command(name, summaries[name], sub) for name, sub in commands.choices.items()),
    )


def _command(name: str, summary: str, parser: argparse.ArgumentParser) -> Command:
    groups = (
        Group("" if group is parser._optionals else group.title or "", options)
        for group in parser._action_groups
        if (options := tuple(_options(parser, group._group_actions)))
    )
    return Command(
        name,
        summary,
        parser.description or "",
        parser.epilog or "",
        tuple(_arguments(parser)),
        # What has no heading of its own comes first.
        tuple(sorted(groups, key=lambda group: group.title != "")),
        any(action.nargs == argparse.REMAINDER for action in parser._actions),
    )


def _arguments(parser: argparse.ArgumentParser) -> Iterator[Argument]:
    for action in parser._actions:
        if not action.option_strings and action.help is not argparse.SUPPRESS:
            name = action.metavar if isinstance(action.metavar, str) else action.dest
            yield Argument(name, _help(parser, action), action.nargs == "+")


def _options(parser: argparse.ArgumentParser, actions: list[argparse.Action]) -> Iterator[Option]:
    for action in actions:
        if not action.option_strings or action.help is argparse.SUPPRESS:
            continue
        choices = tuple(str(one) for one in action.choices or ())
        named = action.metavar if isinstance(action.metavar, str) else f"{{{','.join(choices)}}}"
        yield Option(
            tuple(action.option_strings),
            _help(parser, action),
            None if action.nargs == 0 else named,
            choices,
            action.dest,
            isinstance(action, argparse._AppendAction),
            action.required,
            tuple(_without(parser, action)),
        )


def _without(parser: argparse.ArgumentParser, action: argparse.Action) -> Iterator[str]:
    for group in parser._mutually_exclusive_groups:
        if action in group._group_actions:
            for other in group._group_actions:
                yield from other.option_strings if other is not action else ()


def _help(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    """As argparse fills it in."""
    return (action.help or "") % {**vars(action), "prog": parser.prog}
