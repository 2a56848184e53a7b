"""A made-up program at fixed moments: the same pictures at every run, for screens that are compared."""

from typing import NamedTuple

from ebpftrace.model.epochs import epoch_at
from ebpftrace.model.ids import Address, Tid
from ebpftrace.model.losses import Losses
from ebpftrace.model.picture import (
    Block,
    Cohort,
    Cost,
    Counts,
    SiteBlocks,
    SizeClass,
    SourceLines,
)
from tests.unit.builders import frame, picture, site, target


class Kind(NamedTuple):
    """Allocates `blocks` of `size` bytes a second until `until`, and frees those older than `lives`."""

    stack: tuple[str, ...]
    blocks: int
    size: int
    lives: int = 1000
    until: int = 1000


KINDS = (
    Kind(("session_create", "handle_login", "serve", "main"), 40, 512),
    Kind(("cache_put", "handle_get", "serve", "main"), 200, 64, until=20),
    Kind(("std::string::_M_create", "parse_header", "serve", "main"), 900, 48, lives=3),
    Kind(("read_config", "main"), 12, 1024, until=1),
    Kind(("json_node", "json_parse", "handle_get", "serve", "main"), 150, 96, lives=6),
)
FILES = {
    "session_create": ("session.c", 88),
    "handle_login": ("server.c", 140),
    "cache_put": ("cache.c", 31),
    "serve": ("server.c", 61),
    "main": ("main.c", 12),
}
NOW = 60


def _frame(name):
    file, line = FILES.get(name, (None, None))
    return frame(name, file=file and f"/src/shop/{file}", line=line, module="/usr/bin/shop")


def _site(number, kind, now):
    seconds = range(min(now, kind.until))
    lives = [second for second in seconds if now - second <= kind.lives]
    born, freed = (kind.blocks * len(one) for one in (seconds, seconds[: -len(lives) or None]))
    epochs: dict[int, int] = {}
    for second in lives:
        epochs[epoch_at(second)] = epochs.get(epoch_at(second), 0) + kind.blocks
    freed = born - kind.blocks * len(lives)
    return site(
        kind.stack[0],
        id=f"{number:016x}",
        frames=tuple(_frame(name) for name in kind.stack),
        counts=Counts(born, born * kind.size, freed, freed * kind.size),
        oldest_at=float(lives[0]) if lives else None,
        growth=float(kind.blocks * kind.size) if now <= kind.until and not freed else 0.0,
        cohorts=tuple(Cohort(epoch, n, n * kind.size) for epoch, n in sorted(epochs.items())),
    )


def frozen(now=NOW):
    """The picture of so many seconds after the attach."""
    shop = target(comm="shop", exe="/usr/bin/shop", rss_bytes=24_000_000 + now * 30_000)
    return picture(
        *(_site(number, kind, now) for number, kind in enumerate(KINDS)),
        since_attach_s=float(now),
        targets=(shop,),
        growth=20_480.0,
        losses=Losses({"map_busy": 3}),
        cost=Cost(1300.0, 1.6, 1.0, 90_000_000, 60_000_000, {"blocks": 1.2, "cohorts": 0.4}),
    )


BLOCKS = SiteBlocks(
    2400,
    1_228_800,
    (SizeClass(512, 2400, 1_228_800),),
    tuple(Block(Address(0x7F00_0000_1000 + 528 * n), 512, 0.5 * n, Tid(42)) for n in range(5)),
)
TEXT = SourceLines(
    "/src/shop/session.c",
    85,
    (
        "struct session *session_create(const char *user)",
        "{",
        "    struct session *one;",
        "    one = malloc(sizeof(*one) + strlen(user));",
        "    strcpy(one->user, user);",
        "    return one;",
        "}",
    ),
)
