"""What stands on a terminal, as far as Textual's output goes: text, positions, highlights.

Every character is taken for one cell: the measured pictures hold no wide ones.
"""

import codecs
import re
from typing import NamedTuple

_PIECE = re.compile(
    r"\x1b\[([<-?]?)([\d;:]*)([ -/]*[@-~])"  # CSI
    r"|\x1b[]P_^X][^\x07\x1b]*(?:\x07|\x1b\\)"  # strings: titles, answers
    r"|\x1b(?:[ -/]+[0-~]|[0-OQ-WYZ\\`-~])"
    r"|([\x00-\x1a\x1c-\x1f])"
    r"|([^\x00-\x1f]+)"
)
_SIGNS = "▸>"
_NAME = re.compile(r"[a-z]+_\d+")
_PLAIN = ""


class Run(NamedTuple):
    """Cells side by side with one background, not the plain one."""

    row: int
    column: int
    text: str


class Screen:
    """`feed` it what a program writes; `alternate`: has it taken the second screen, as dashboards do?"""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.alternate = False
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._left = ""
        self._row = self._column = 0
        self._back = _PLAIN
        self._reverse = False
        self._clear()

    def feed(self, data: bytes) -> None:
        text = self._left + self._decoder.decode(data)
        at = 0
        while found := _PIECE.match(text, at):
            at = found.end()
            if found[5]:
                self._write(found[5])
            elif found[4]:
                self._control(found[4])
            elif found[3]:
                self._sequence(found[1], found[2], found[3])
        self._left = text[at:]

    def line(self, row: int) -> str:
        return "".join(self._cells[row])

    def text(self) -> str:
        return "\n".join(map(self.line, range(self.height)))

    def cursor_names(self) -> tuple[str, ...]:
        """The names in the row that the dashboard's own cursor is on; empty where none is found.

        That is the first row that starts with the sign of a cursor, as far as its highlight goes;
        without one, every name that is highlighted.
        """
        for row in range(self.height):
            column = next((c for c in range(3) if self._cells[row][c] in _SIGNS), None)
            if column is not None:
                names = _NAME.findall(self._run(row, column).text)
                if names:
                    return tuple(names)
        runs = [run for row in range(self.height) for run in self._highlighted(row)]
        return tuple(name for run in runs for name in _NAME.findall(run.text))

    def _run(self, row: int, column: int) -> Run:
        backs, end = self._backs[row], column
        while end < self.width and backs[end] == backs[column]:
            end += 1
        return Run(row, column, "".join(self._cells[row][column:end]))

    def _highlighted(self, row: int) -> list[Run]:
        runs, column = [], 0
        while column < self.width:
            run = self._run(row, column)
            if self._backs[row][column] != _PLAIN:
                runs.append(run)
            column += len(run.text)
        return runs

    def _clear(self) -> None:
        self._cells = [[" "] * self.width for _ in range(self.height)]
        self._backs = [[_PLAIN] * self.width for _ in range(self.height)]

    def _write(self, text: str) -> None:
        fitting = text[: max(0, self.width - self._column)]
        if fitting:
            end = self._column + len(fitting)
            self._cells[self._row][self._column : end] = fitting
            back = "reverse" if self._reverse else self._back
            self._backs[self._row][self._column : end] = [back] * len(fitting)
            self._column = end

    def _control(self, sign: str) -> None:
        if sign == "\r":
            self._column = 0
        elif sign == "\n":  # the terminal's ONLCR has made it CR LF
            self._row = min(self._row + 1, self.height - 1)
        elif sign == "\b":
            self._column = max(0, self._column - 1)

    def _sequence(self, private: str, given: str, kind: str) -> None:
        numbers = [int(n) if n.isdigit() else 0 for n in given.replace(":", ";").split(";")]
        if private:
            if private == "?" and 1049 in numbers:
                self.alternate = kind == "h"
                self._clear()
        elif kind in "Hf":
            row, column = (*numbers, 0)[:2]
            self._row = min(max(row, 1), self.height) - 1
            self._column = min(max(column, 1), self.width) - 1
        elif kind in "ABCD":
            self._move(kind, max(1, numbers[0]))
        elif kind == "m":
            self._style(numbers)
        elif kind == "J" and numbers[0] == 2:
            self._clear()
        elif kind == "K":
            self._cells[self._row][self._column :] = " " * (self.width - self._column)
            self._backs[self._row][self._column :] = [_PLAIN] * (self.width - self._column)

    def _move(self, kind: str, by: int) -> None:
        if kind in "AB":
            row = self._row + (by if kind == "B" else -by)
            self._row = min(max(row, 0), self.height - 1)
        else:
            column = self._column + (by if kind == "C" else -by)
            self._column = min(max(column, 0), self.width - 1)

    def _style(self, numbers: list[int]) -> None:
        waiting = list(numbers)
        while waiting:
            number = waiting.pop(0)
            if number == 0:
                self._back, self._reverse = _PLAIN, False
            elif number in {7, 27}:
                self._reverse = number == 7
            elif number in {38, 48}:
                colour = waiting[: 2 if waiting[:1] == [5] else 4]
                del waiting[: len(colour)]
                if number == 48:
                    self._back = str(colour)
            elif number == 49:
                self._back = _PLAIN
            elif 40 <= number <= 47 or 100 <= number <= 107:
                self._back = str(number)
