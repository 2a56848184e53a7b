"""What a command is, and the argument types that all of them share."""

import argparse
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, TypeVar

from ebpftrace.errors import EbpftraceError, UsageError
from ebpftrace.units import parse_size, parse_time

T = TypeVar("T")


class Command(ABC):
    """One subcommand; the docstring of each is its help."""

    name: ClassVar[str]
    fails_by: ClassVar[type[EbpftraceError]] = UsageError
    """What it ends by where the host gives it too little: one that attaches, by CannotAttach."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given

    @classmethod
    @abstractmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments."""

    @abstractmethod
    def run(self) -> int:
        """Do it; the exit status."""


def typed(parse: Callable[[str], T]) -> Callable[[str], T]:
    """So that argparse names the option in front of our sentence."""

    def read(text: str) -> T:
        try:
            return parse(text)
        except UsageError as error:
            raise argparse.ArgumentTypeError(str(error).rstrip(".")) from error

    return read


def whole(least: int, most: int) -> Callable[[str], int]:
    """An argument type: a whole number from `least` to `most`."""

    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text[:20]) <= most:
            raise UsageError(f"{text!r} is not a whole number from {least} to {most}")
        return int(text)

    return typed(read)


def _positive_time(text: str) -> float:
    seconds = parse_time(text)
    if seconds < 0.05:
        raise UsageError(f"{text!r} is too short; the least is 50ms")
    return seconds


def _regex(text: str) -> str:
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise UsageError(f"{text!r} is not a regular expression: {error}") from error
    return text


regex = typed(_regex)
size = typed(parse_size)
time = typed(parse_time)
positive_time = typed(_positive_time)
