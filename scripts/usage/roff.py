"""Text as roff: what man(7) has for headings, paragraphs, definitions and examples, and every escape.

All text given here is plain; a run of roff's own never comes of it.
"""

import re
from collections.abc import Iterable, Iterator

_ESCAPES = {
    "\\": "\\e",
    # Else a hyphen, a quote or an accent of typesetting, which no shell takes when it is copied.
    "-": "\\-",
    "'": "\\(aq",
    '"': "\\(dq",
    "`": "\\(ga",
    "^": "\\(ha",
    "~": "\\(ti",
}
_WIDTH = 80  # of a line of source: mandoc -T lint asks for it
# Options, and what prose puts between backticks.
_LITERAL = re.compile(r"`[^`]+`|(?<![\w-])--?[A-Za-z][\w-]*")


def escaped(text: str) -> str:
    """Characters that stand for themselves, wherever in a line; line feeds are blanks."""
    return "".join(map(_escaped, " ".join(text.splitlines())))


def _escaped(character: str) -> str:
    if character.isascii():
        return _ESCAPES.get(character, character)
    return f"\\[u{ord(character):04X}]"


def _guarded(line: str) -> str:
    """A control character begins a request only at the start of a line."""
    return f"\\&{line}" if line.startswith(".") else line


def bold(text: str) -> str:
    return f"\\fB{escaped(text)}\\fR"


def italic(text: str) -> str:
    return f"\\fI{escaped(text)}\\fR"


def marked(text: str) -> str:
    """A sentence with its options, and what stands between backticks, in bold."""
    parts, end = [], 0
    for match in _LITERAL.finditer(text):
        parts += [escaped(text[end : match.start()]), bold(match[0].strip("`"))]
        end = match.end()
    return "".join([*parts, escaped(text[end:])])


def filled(text: str) -> Iterator[str]:
    """Source lines of a paragraph, cut at blanks; each sentence begins one."""
    for sentence in re.split(r"(?<=[.:;]) +(?=[A-Z\\])", marked(" ".join(text.split()))):
        line = ""
        for word in sentence.split(" "):
            if line and len(line) + 1 + len(word) > _WIDTH - len("\\&"):
                yield _guarded(line)
                line = word
            else:
                line = f"{line} {word}" if line else word
        yield _guarded(line)


def document(lines: Iterable[str]) -> str:
    """The text of a page; a heading needs no paragraph to begin behind it."""
    kept: list[str] = []
    for line in lines:
        if line == ".PP" and kept[-1].startswith((".SH", ".SS")):
            continue
        kept.append(line)
    return "\n".join(kept) + "\n"


def title(name: str, section: int, date: str, source: str, manual: str) -> Iterator[str]:
    given = (name.upper(), str(section), date, source, manual)
    yield f".TH {' '.join(map(_quoted, given))}"
    # Words are not hyphenated, and blanks not widened: commands and paths are copied from here.
    yield from (".nh", ".ad l")


def heading(text: str) -> str:
    return f".SH {_quoted(text)}"


def subheading(text: str) -> str:
    return f".SS {_quoted(text)}"


def _quoted(text: str) -> str:
    return f'"{escaped(text)}"'


def paragraph(text: str) -> Iterator[str]:
    yield ".PP"
    yield from filled(text)


def caption(text: str) -> Iterator[str]:
    """A paragraph that heads what follows."""
    yield ".PP"
    yield _guarded(bold(text))


def definition(tag: str, text: str) -> Iterator[str]:
    """`tag` is roff already: of `bold` and `italic`."""
    yield ".TP"
    yield _guarded(tag)
    yield from filled(text)


def example(lines: Iterable[str]) -> Iterator[str]:
    """Lines as they stand, indented."""
    yield from (".PP", ".RS 4", ".nf")
    yield from (_guarded(escaped(line)) for line in lines)
    yield from (".fi", ".RE")


def flowing(text: str) -> Iterator[str]:
    """Paragraphs divided by empty lines; of these, lines that are indented stand as they are."""
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        said: list[str] = []
        shown: list[str] = []
        for line in [*block.splitlines(), ""]:
            literal = line.startswith(" ")
            if shown and not literal:
                yield from example(_dedented(shown))
                shown = []
            if said and (literal or not line):
                yield from paragraph(" ".join(said))
                said = []
            if line.strip():
                (shown if literal else said).append(line)


def _dedented(lines: list[str]) -> list[str]:
    margin = min(len(line) - len(line.lstrip()) for line in lines)
    return [line[margin:] for line in lines]
