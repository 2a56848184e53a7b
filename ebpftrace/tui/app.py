"""The dashboard's application: the parts of the screen, who is shown what, and who tells it."""

import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import ClassVar

from textual.app import ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Footer, Input, Tab, Tabs

from ebpftrace.analysis.headline import Headline
from ebpftrace.analysis.marks import Marks
from ebpftrace.analysis.overall import overall
from ebpftrace.model.picture import Picture, Point
from ebpftrace.model.source import PictureSource
from ebpftrace.tui.actions import Actions
from ebpftrace.tui.builder import Builder
from ebpftrace.tui.commands import COMMANDS
from ebpftrace.tui.composer import Request, Shown
from ebpftrace.tui.detail import (
    Look,
    chosen_frame,
    group_lines,
    nothing_lines,
    site_lines,
    summed_lines,
)
from ebpftrace.tui.edges import Edges, Scene
from ebpftrace.tui.feed import Feed
from ebpftrace.tui.flame import Flame
from ebpftrace.tui.glyphs import Glyphs, glyphs_for
from ebpftrace.tui.guide import keys_of
from ebpftrace.tui.header import State
from ebpftrace.tui.listing import Pane
from ebpftrace.tui.options import Options, Outcome
from ebpftrace.tui.past import Past
from ebpftrace.tui.room import Room
from ebpftrace.tui.style import STYLE
from ebpftrace.tui.survey import Subject, Survey, Surveyor
from ebpftrace.tui.table import Table
from ebpftrace.tui.terminal import TerminalDriver
from ebpftrace.tui.view import KINDS, View

_LOOK_S = 0.1
_LATE_INTERVALS = 3
# A key passes three threads, each of which may have to wait so long for one that is at work.
_SWITCH_S = 0.001
_NOTHING_GROWS = Headline(None, None, None)


def run(source: PictureSource, options: Options) -> Outcome:
    """Show `source` until the user leaves or is gone. Raises what failed in it."""
    app = Dashboard(source, options, glyphs_for(sys.stderr.encoding, os.environ))
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_S)
    try:
        app.run()
    finally:
        sys.setswitchinterval(before)
    if app.failure is not None:
        raise app.failure
    return Outcome(app.newest, app.terminal_gone)


class Dashboard(Actions):
    """One screen: header, timeline, views, table or flame, pane, honesty line, keys."""

    ENABLE_COMMAND_PALETTE = True
    ALLOW_SELECT = False
    CSS = STYLE
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c,ctrl+q", "leave", priority=True, show=False),
        *(
            Binding(
                one.keys,
                one.action,
                one.brief or one.title,
                show=bool(one.brief),
                # What is typed behind it may be in the same packet, and is for the filter.
                priority=one.action == "filter",
            )
            for one in COMMANDS
        ),
    ]

    class Arrived(Message):
        """There is something new; the newest of each is the one to take."""

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, Dashboard.Arrived)

    def __init__(self, source: PictureSource, options: Options, glyphs: Glyphs) -> None:
        super().__init__(driver_class=TerminalDriver, ansi_color=True)
        self.newest: Picture | None = None
        self.picture: Picture | None = None
        """The one that is shown: the newest, unless it is paused."""
        self.failure: BaseException | None = None
        self.options = options
        self.source = source
        self.glyphs = glyphs
        self.view = View(options.selection)
        self.marks = Marks()
        self.past = Past(options.recorded)
        self.shown: Shown | None = None
        self.paused = False
        self.whole = False
        self.frame: int | None = None
        self.anew = 0
        self._feed = Feed(source, self._tell)
        self._builder = Builder(self._tell)
        self._surveyor = Surveyor(source, self._tell)
        self._came = time.monotonic()
        self._late_s: float | None = None
        self._taken: str | None = None
        self._surveyed: Survey | None = None
        self._shape: object = None
        self.edges = Edges(glyphs)
        self.tabs: Tabs | None = None
        self.filter = Input(id="filter", placeholder="words, file:x, size>1M, age>5m …")
        self.table = Table(glyphs, self.view)
        self.flame = Flame(glyphs)
        self.pane = Pane(glyphs)
        self.body = Container(self.table, self.flame, self.pane, id="body")

    def compose(self) -> ComposeResult:
        """From top to bottom."""
        yield self.edges.header
        yield self.edges.timeline
        yield self.edges.scope
        yield self.filter
        yield self.body
        yield self.edges.status

    def on_mount(self) -> None:
        if isinstance(self._driver, TerminalDriver):
            self._driver.screen.told_to_end = self.options.stopped
            self._driver.screen.ascii_only = self.glyphs.ascii_only
        self.filter.display = self.flame.display = False
        for thread in (self._feed, self._builder, self._surveyor):
            thread.start()
        self.set_interval(_LOOK_S, self._look)
        self._show_edges()
        self.table.focus()
        self.call_after_refresh(self._complete)

    async def _complete(self) -> None:
        """What the first frame can do without: it is there 100 ms sooner."""
        if self._exit:  # nothing can be mounted any more
            return
        tabs = Tabs(*(Tab(kind, id=kind) for kind in KINDS), active=self.view.kind)
        tabs.can_focus = False
        with self.prevent(Tabs.TabActivated):
            await self.mount(tabs, after=self.edges.timeline)
        self.tabs = tabs
        self._mark_tab()
        await self.mount(Footer(compact=True, show_command_palette=False))
        self.screen.refresh_bindings()  # else it stays empty until the focus moves
        self._show_edges()

    def on_unmount(self) -> None:
        for thread in (self._feed, self._builder, self._surveyor):
            thread.stop()
        self.finish_saving()

    @property
    def terminal_gone(self) -> bool:
        """Has the terminal hung up, or is nobody reading it?"""
        return isinstance(self._driver, TerminalDriver) and self._driver.screen.gone

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:  # noqa: ARG002
        """Every command by its name."""
        for one in COMMANDS:
            if one.action != "command_palette":
                yield SystemCommand(one.title, one.help, self._runner(one.action))

    def _runner(self, action: str) -> Callable[[], Awaitable[None]]:
        async def run_it() -> None:
            await self.run_action(action)

        return run_it

    def get_key_display(self, binding: Binding) -> str:
        return self.glyphs.safe(keys_of(binding.key), 20)

    # --- what comes from outside ------------------------------------------------------------------

    def _tell(self) -> None:
        self.post_message(self.Arrived())

    def on_dashboard_arrived(self) -> None:
        for thread in (self._feed, self._builder, self._surveyor):
            if thread.failure is not None:
                self.failure = thread.failure
                self.exit(return_code=1)
                return
        if self._feed.newest is not self.newest and self._feed.newest is not None:
            self._take(self._feed.newest)
        if self._builder.shown is not self.shown and self._builder.shown is not None:
            self._draw(self._builder.shown)
        elif self._surveyor.survey is not self._surveyed:
            self.show_pane(from_top=False)

    def _take(self, picture: Picture) -> None:
        self.newest = picture
        self.past.add(picture)
        self._came, self._late_s = time.monotonic(), None
        if self.paused:
            self._show_edges()
        else:
            self.picture = picture
            self.change()

    def _look(self) -> None:
        if self.terminal_gone or self.options.stopped():
            self.exit()
        elif self.picture is None or self.past.taken(self.picture) != self._taken:
            self._show_edges()
        elif self.newest is not None and not self.newest.final:
            silence = time.monotonic() - self._came
            every = max(self.options.interval, self.newest.cost.slowed_to_s or 0.0)
            late = int(silence) if silence > _LATE_INTERVALS * every + 1 else None
            if late != self._late_s:
                self._late_s = late
                self._show_edges()

    def _fatal_error(self) -> None:
        """In place of Textual's traceback: the caller is given the exception and says it his way."""
        if not self._exit:  # what breaks while the screen is taken down hurts nobody
            self.failure = self.failure or self._exception
        self._close_messages_no_wait()

    # --- drawing ----------------------------------------------------------------------------------

    def change(self, view: View | None = None) -> None:
        if view is not None:
            self.view = view
        if self.picture is None:
            return
        if self.past.turns_to(self.picture) and len(self.marks):
            self.marks, self.view = Marks(), replace(self.view, mark=None)
            self.say("this is another watch; the marks were of the one before")
        is_flame = self.view.kind == "flame"
        held = self.flame.held if is_flame else self.table.held
        cells = self.flame.size if is_flame else (0, 0)
        self._builder.ask(Request(self.picture, self.view, held, self.mark, cells, self.anew))

    def _draw(self, shown: Shown) -> None:
        """`shown` is of the view that was asked for last, or of the one before."""
        before, self.shown = self.shown, shown
        kind = shown.request.view.kind
        is_flame = kind == "flame"
        if is_flame:
            self.flame.show(shown)
        else:
            self.table.show(shown)
        if before is None or before.request.view.kind != kind:
            (self.flame if is_flame else self.table).focus()
        self._mark_tab()
        self._show_edges()
        self.show_pane(from_top=False)

    def _mark_tab(self) -> None:
        """The tab of the view on the screen; it was not clicked, and asks for nothing."""
        if self.tabs is not None and self.tabs.tab_count and self.shown is not None:
            with self.prevent(Tabs.TabActivated):
                self.tabs.active = self.shown.request.view.kind

    def _show_edges(self) -> None:
        if self.picture is None:
            self.edges.show_opening(self.options.opening())
            self.pane.display, self._shape = False, None
            return
        given = self.edges.show(self._scene(self.picture), *self.size)
        is_flame = self.shown is not None and self.shown.request.view.kind == "flame"
        shape = given, self.whole, is_flame, len(self.query("Tabs, Footer"))
        if shape != self._shape:  # to set a style lays out the whole screen anew
            self._shape = shape
            self._give_shape(given, is_flame)

    def _give_shape(self, given: Room, is_flame: bool) -> None:
        for one in self.query("Tabs, Footer"):
            one.display = given.tabs > 0
        self.body.set_class(given.beside, "beside")
        self.body.set_class(self.whole, "whole")
        self.table.display = not self.whole and not is_flame
        self.flame.display = not self.whole and is_flame
        self.pane.styles.height = None if given.beside or self.whole else given.pane
        self.pane.styles.width = given.pane if given.beside and not self.whole else None
        self.pane.display = bool(given.pane) or self.whole

    def _scene(self, picture: Picture) -> Scene:
        rows = len(self.rows) if self.rows is not None else 0
        problem = self.shown.problem if self.shown is not None else None
        marks = tuple(self.marks)
        points = self.past.points(picture)
        state = self._state(picture, points)
        return Scene(
            *(picture, state, points, marks, self.view, self.mark, rows, problem),
            whole=self.whole,
            typed=bool(self.filter.display),
            suppressed=self.suppressed,
        )

    def _state(self, picture: Picture, points: Sequence[Point]) -> State:
        behind = None
        if self.paused and self.newest is not None:
            behind = max(0.0, self.newest.since_attach_s - picture.since_attach_s)
        growth = overall([(point.at, point.tracked) for point in points])
        found = self.shown.headline if self.shown is not None else _NOTHING_GROWS
        self._taken, rules = self.past.taken(picture), self.view.selection.rules
        known = self.past.known
        return State(found, growth, self._late_s, behind, rules, self._taken, known)

    def look(self) -> Look | None:
        if self.picture is None:
            return None
        rules = self.view.selection.rules
        return Look(self.picture, rules, self.frame, self._surveyor.survey, self.glyphs)

    def show_pane(self, *, from_top: bool) -> None:
        self._surveyed = self._surveyor.survey
        look, site, rows = self.look(), self.site, self.rows
        if look is None or rows is None:
            return
        is_flame = self.view.kind == "flame"
        position = self.flame.position if is_flame else self.table.position
        title = f"{self.view.kind} {position + 1} of {len(rows)}"
        if site is not None:
            index = chosen_frame(site, look)
            frame = site.at.frames[index] if index is not None else None
            self._surveyor.look_at(Subject(site, frame), live=not self.paused)
            self.pane.show_titled(title, lambda width: site_lines(site, look, width), from_top)
            return
        self._surveyor.look_at(None, live=False)
        box = self.flame.box if is_flame else None
        if not len(rows):
            words = nothing_lines(look.picture, self.view, self.suppressed)
            self.pane.show_titled("none", lambda _: words, from_top)
        elif box is not None and box.node is None:
            self.pane.show_titled("flame", lambda _: summed_lines(box.summed, box.bytes), from_top)
        else:
            row, part = rows.row(position), rows.part(position)
            self.pane.show_titled(
                title, lambda width: group_lines(row, part, look, width), from_top
            )

    # --- what the parts say -----------------------------------------------------------------------

    def on_resize(self) -> None:
        self.call_later(self._show_edges)  # `size` is still the one of before

    def on_table_picked(self) -> None:
        self.frame = None
        self.show_pane(from_top=True)

    def on_flame_resized(self) -> None:
        self.change()

    def on_flame_picked(self) -> None:
        self.show_pane(from_top=True)

    async def on_table_opened(self) -> None:
        self.action_open()

    async def on_flame_opened(self) -> None:
        self.action_open()

    def on_table_unfolded(self, asked: Table.Unfolded) -> None:
        self.unfold(open_it=asked.open_it)

    def on_table_sort_asked(self, asked: Table.SortAsked) -> None:
        self.action_sort(asked.sort)

    def on_tabs_tab_activated(self, event: Tabs.TabActivated) -> None:
        if event.tab.id in KINDS:
            self.action_view(event.tab.id)

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input is self.filter and event.value != self.view.query:
            self.change(replace(self.view, query=event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.input is self.filter:
            self.filter.display = bool(event.value)
            self.focus_rows()
