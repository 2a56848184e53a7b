"""Values of a line of JSON or of msgpack, taken only if they are what they should be."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

MOST_COUNT = (1 << 64) - 1
MOST_SECONDS = 1e9
MOST_FLOAT = 1e18

T = TypeVar("T")
Object = dict[str, Any]


class Unfit(Exception):
    """Why a line, or a section, is no picture, as the middle of a sentence: `pid is text, not a whole number`."""


class UnfitSection(Unfit):
    """Unfit, in a section of a snapshot."""

    def __init__(self, section: str, reason: str) -> None:
        super().__init__(reason)
        self.section = section


@contextmanager
def within(section: str) -> Iterator[None]:
    """What is Unfit in it is in this section."""
    try:
        yield
    except Unfit as error:
        raise UnfitSection(section, str(error)) from None


def unfit(key: str, value: object, wanted: str) -> Unfit:
    """`wanted` with its article: `a whole number`."""
    return Unfit(f"{key} is {_kind(value)}, not {wanted}")


def needed(given: Object, key: str) -> Any:
    try:
        return given[key]
    except KeyError:
        raise Unfit(f"{key} is missing") from None


def whole(value: object, key: str, least: int = 0, most: int = MOST_COUNT) -> int:
    if type(value) is not int:
        raise unfit(key, value, "a whole number")
    if not least <= value <= most:
        raise Unfit(f"{key} is out of range")
    return value


def number(value: object, key: str, least: float = 0.0, most: float = MOST_FLOAT) -> float:
    """A finite one; neither JSON nor those who write msgpack tell 1 from 1.0."""
    if type(value) is not float and type(value) is not int:
        raise unfit(key, value, "a number")
    if not (least <= value <= most and math.isfinite(value)):
        raise Unfit(f"{key} is out of range")
    return float(value)


def signed(value: object, key: str) -> float:
    return number(value, key, -MOST_FLOAT)


def truth(value: object, key: str) -> bool:
    if value is not True and value is not False:
        raise unfit(key, value, "true or false")
    return value


def text(value: object, key: str) -> str:
    """As it stands in the line: not clean."""
    if type(value) is not str:
        raise unfit(key, value, "text")
    return value


def array(value: object, key: str) -> list[Any]:
    if type(value) is not list:
        raise unfit(key, value, "an array")
    return value


def object_of(value: object, key: str) -> Object:
    if type(value) is not dict:
        raise unfit(key, value, "an object")
    return value


def _kind(value: object) -> str:
    kinds = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "text",
        dict: "an object",
        list: "an array",
    }
    return kinds.get(type(value), "null")
