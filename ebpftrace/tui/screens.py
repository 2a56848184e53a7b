"""What opens over the dashboard: the help, a question for a name, a choice."""

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from ebpftrace.tui.glyphs import Glyphs
from ebpftrace.tui.lines import Line
from ebpftrace.tui.listing import Listing, Pane

_MOST_NAME = 40


class Help(ModalScreen[None]):
    """A text over the whole screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,h,f1,enter", "dismiss", show=False)
    ]

    def __init__(self, glyphs: Glyphs, write: Callable[[int], Iterable[Line]]) -> None:
        super().__init__()
        self.pane = Pane(glyphs)
        self._write = write

    def compose(self) -> ComposeResult:
        yield self.pane

    def on_mount(self) -> None:
        self.pane.show_titled("help; escape closes", self._write, from_top=True)


class _Dialog(ModalScreen[str | None]):
    """A box in the middle. Escape gives None."""

    # With :focus, because Textual's own borders of what has the focus would count for more.
    DEFAULT_CSS = """
    _Dialog { align: center middle; }
    _Dialog Vertical {
        width: 60; max-width: 100%; height: auto; max-height: 80%;
        border: round ansi_default; padding: 0 1; background: ansi_default;
    }
    _Dialog Listing { height: 1; }
    _Dialog Input, _Dialog Input:focus { border: none; height: 1; padding: 0; background: ansi_default; }
    _Dialog OptionList, _Dialog OptionList:focus {
        border: none; height: auto; max-height: 12; background: ansi_default;
        min-width: 10;  /* it raises where it has no column for its text */
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", show=False)]

    def __init__(self, glyphs: Glyphs, words: Line) -> None:
        super().__init__()
        self.words = Listing(glyphs)
        self._words = words

    def on_mount(self) -> None:
        self.words.show([self._words])
        if self.words.glyphs.ascii_only:
            self.query_one(Vertical).styles.border = ("ascii", "ansi_default")


class Ask(_Dialog):
    """For a name; Enter takes what stands there."""

    def __init__(self, glyphs: Glyphs, words: Line, proposal: str) -> None:
        super().__init__(glyphs, words)
        self.input = Input(proposal, max_length=_MOST_NAME, select_on_focus=True)

    def compose(self) -> ComposeResult:
        yield Vertical(self.words, self.input)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value.strip() or None)


class Choose(_Dialog):
    """One of several; gives its text."""

    def __init__(self, glyphs: Glyphs, words: Line, choices: Sequence[str]) -> None:
        super().__init__(glyphs, words)
        self._choices = choices
        # As Text: a plain string would be read as markup.
        self.list = OptionList(*(Option(Text(glyphs.safe(one, 58))) for one in choices))

    def compose(self) -> ComposeResult:
        yield Vertical(self.words, self.list)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._choices[event.option_index])
