"""The dashboard's application: state, keys, and who is shown what. Ends with `q` or when told to."""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.message import Message

from ebpftrace.analysis.selection import Selection, SortKey
from ebpftrace.model.picture import Picture
from ebpftrace.model.source import PictureSource
from ebpftrace.tui.feed import Feed
from ebpftrace.tui.glyphs import Glyphs, glyphs_for
from ebpftrace.tui.guide import guide_lines
from ebpftrace.tui.header import header_lines, opening_lines, wanted
from ebpftrace.tui.listing import Listing, Pane
from ebpftrace.tui.room import room
from ebpftrace.tui.rows import View, arrange
from ebpftrace.tui.stack import nothing_lines, stack_lines
from ebpftrace.tui.status import status_lines
from ebpftrace.tui.table import SiteTable
from ebpftrace.tui.terminal import TerminalDriver

_LOOK_S = 0.1
_LATE_INTERVALS = 3


@dataclass(frozen=True, slots=True)
class Options:
    """`interval` in seconds, from one picture to the next; `stopped` is asked ten times a second.

    `notes` gives sentences about the attach, for the help. `opening` says in a few words what is
    done until the first picture comes.
    """

    selection: Selection = field(default_factory=lambda: Selection(top=0))
    interval: float = 1.0
    notes: Callable[[], tuple[str, ...]] = lambda: ()
    opening: Callable[[], str] = lambda: ""
    stopped: Callable[[], bool] = lambda: False


class Outcome(NamedTuple):
    """The last picture that was shown, and whether there is still a terminal to say something on."""

    last: Picture | None
    terminal_gone: bool


def run(source: PictureSource, options: Options) -> Outcome:
    """Show `source` until the user leaves or is gone. Raises what failed in it."""
    app = Dashboard(source, options, glyphs_for(sys.stderr.encoding, os.environ))
    app.run()
    if app.failure is not None:
        raise app.failure
    return Outcome(app.picture, app.terminal_gone)


class Dashboard(App[None]):
    """One screen: header, table, pane, status."""

    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False
    CSS = """
    Screen { background: ansi_default; color: ansi_default; }
    #body { height: 1fr; layout: vertical; }
    #body.beside { layout: horizontal; }
    SiteTable { height: 1fr; width: 1fr; }
    #body.beside Pane { height: 1fr; padding-left: 1; }
    #body.whole SiteTable { display: none; }
    #body.whole Pane { height: 1fr; width: 1fr; padding-left: 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,ctrl+c,ctrl+q", "quit", priority=True, show=False),
        Binding("b", "sort('bytes')", show=False),
        Binding("n", "sort('blocks')", show=False),
        Binding("g", "sort('growth')", show=False),
        Binding("a", "sort('age')", show=False),
        Binding("r", "reverse", show=False),
        Binding("enter", "whole", show=False),
        Binding("question_mark,h,f1", "help", show=False),
        Binding("escape", "rows", show=False),
        Binding("ctrl+l", "anew", show=False),
    ]

    class Arrived(Message):
        """The feed has something; the newest picture is the one to take."""

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, Dashboard.Arrived)

    def __init__(self, source: PictureSource, options: Options, glyphs: Glyphs) -> None:
        super().__init__(driver_class=TerminalDriver, ansi_color=True)
        self.picture: Picture | None = None
        self.failure: BaseException | None = None
        self.view = View(options.selection)
        self._options = options
        self._feed = Feed(source, lambda: self.post_message(self.Arrived()))
        self._came = time.monotonic()
        self._late_s: float | None = None
        self._most_rows = 0
        self._whole = self._helping = False
        self.header = Listing(glyphs)
        self.table = SiteTable(glyphs, self.view)
        self.pane = Pane(glyphs)
        self.status = Listing(glyphs)
        self.body = Container(self.table, self.pane, id="body")

    def compose(self) -> ComposeResult:
        """From top to bottom."""
        yield self.header
        yield self.body
        yield self.status

    def on_mount(self) -> None:
        if isinstance(self._driver, TerminalDriver):
            self._driver.screen.told_to_end = self._options.stopped
        self._feed.start()
        self.set_interval(_LOOK_S, self._look)

    def on_unmount(self) -> None:
        self._feed.stop()

    @property
    def terminal_gone(self) -> bool:
        """Has the terminal hung up, or is nobody reading it?"""
        return isinstance(self._driver, TerminalDriver) and self._driver.screen.gone

    # --- what comes from outside ------------------------------------------------------------------

    def on_dashboard_arrived(self) -> None:
        if self._feed.failure is not None:
            self.failure = self._feed.failure
            self.exit(return_code=1)
            return
        if self._feed.newest is not self.picture:
            self.picture = self._feed.newest
            self._came, self._late_s = time.monotonic(), None
            self._show()

    def _look(self) -> None:
        if self.terminal_gone or self._options.stopped():
            self.exit()
        elif self.picture is None:
            self._show_opening()
        elif not self.picture.final:
            silence = time.monotonic() - self._came
            late = int(silence) if silence > _LATE_INTERVALS * self._options.interval + 1 else None
            if late != self._late_s:
                self._late_s = late
                self._show_edges()

    def _fatal_error(self) -> None:
        """In place of Textual's traceback: the caller is given the exception and says it his way."""
        self.failure = self.failure or self._exception
        self._close_messages_no_wait()

    # --- drawing ----------------------------------------------------------------------------------

    def _show(self) -> None:
        if self.picture is None:
            return
        rows = arrange(self.picture, self.view, self.table.rows, self.table.held)
        self.table.show(rows, self.picture, self.view)
        self._show_edges()
        self._show_pane(from_top=False)

    def _show_opening(self) -> None:
        self.header.styles.height, self.status.styles.height = 1, 0
        self.header.show(opening_lines(self._options.opening()))

    def _show_edges(self) -> None:
        if self.picture is None:
            self._show_opening()
            return
        width, height = self.size
        status = status_lines(self.picture, width, height)
        rows = len(self.table.rows)
        self._most_rows = max(self._most_rows, rows)
        given = room(width, height, wanted(self.picture), len(status), self._most_rows)
        self.header.styles.height = given.header
        self.status.styles.height = given.status
        self.header.show(header_lines(self.picture, rows, self._late_s, given.header))
        self.status.show(status_lines(self.picture, width, given.status))
        self.body.set_class(given.beside, "beside")
        self.body.set_class(self._is_whole, "whole")
        self.pane.styles.height = None if given.beside or self._is_whole else given.pane
        self.pane.styles.width = given.pane if given.beside and not self._is_whole else None
        self.pane.display = bool(given.pane) or self._is_whole

    @property
    def _is_whole(self) -> bool:
        return self._whole or self._helping

    def _show_pane(self, from_top: bool) -> None:
        picture, site = self.picture, self.table.site
        if picture is None:
            return
        if self._helping:
            notes = self._options.notes()
            self.pane.show_titled(
                "help", lambda width: guide_lines(picture, notes, width), from_top
            )
        elif site is None:
            self.pane.show_titled("no site", lambda _: nothing_lines(picture), from_top)
        else:
            title = f"site {self.table.position + 1} of {len(self.table.rows)}"
            rules = self.view.selection.rules
            self.pane.show_titled(
                title, lambda width: stack_lines(site, picture, rules, width), from_top
            )

    def on_resize(self) -> None:
        self._show_edges()

    def on_site_table_picked(self) -> None:
        self._show_pane(from_top=True)

    def on_site_table_sort_asked(self, asked: SiteTable.SortAsked) -> None:
        self.action_sort(asked.sort)

    # --- keys -------------------------------------------------------------------------------------

    def action_sort(self, sort: SortKey) -> None:
        self.view = self.view.sorted_by(sort)
        self._show()

    def action_reverse(self) -> None:
        self.view = self.view.reversed()
        self._show()

    def action_whole(self) -> None:
        self._turn(whole=not self._is_whole, helping=False)

    def action_help(self) -> None:
        self._turn(whole=False, helping=not self._helping)

    def action_rows(self) -> None:
        self._turn(whole=False, helping=False)

    def action_anew(self) -> None:
        self.refresh(repaint=True, layout=True)

    def _turn(self, whole: bool, helping: bool) -> None:
        self._whole, self._helping = whole, helping
        self._show_edges()
        self.set_focus(self.pane if self._is_whole else self.table)
        self._show_pane(from_top=True)
