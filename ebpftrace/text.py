"""The one place where names that come from a target are made fit to print.

Symbols, comms and paths are chosen by whoever wrote the target: they may hold terminal escapes,
bidirectional overrides or lone surrogates. `clean` runs where such a name enters the model, so no
view has to.
"""

import unicodedata

_REPLACEMENT = "·"
# Cc controls (ESC, the C1 range), Cf formats (bidi overrides, zero width), Cs surrogates,
# Co private use, Cn unassigned, Zl and Zp line and paragraph separators.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


class _Shown(dict[int, int]):
    """What is shown for a character, by code points; filled as characters come, up to all there are."""

    def __missing__(self, code: int) -> int:
        hidden = unicodedata.category(chr(code)) in _HIDDEN
        shown = self[code] = ord(_REPLACEMENT) if hidden else code
        return shown


_SHOWN = _Shown()


def clean(name: str | bytes) -> str:
    """Return `name` as printable text: every invisible or undecodable character becomes `·`.

    What a UI library takes for markup (`[abi:cxx11]`, `x[/]y`) is text here and stays as it is.
    """
    if isinstance(name, bytes):
        name = name.decode("utf-8", "surrogateescape")
    if name.isascii() and name.isprintable():
        return name
    return name.translate(_SHOWN)


def clean_lines(text: str) -> str:
    """As `clean`; the ends of lines stay."""
    return "\n".join(map(clean, text.split("\n")))
