"""Names as a hostile target may choose them."""

HOSTILE = [
    "[abi:cxx11]",
    "[/usr/lib]",
    "x[/]y",
    "[bold red]",
    "a\x1b[2J\x1b]0;title\x07b",
    "c1\x9b31m\x85\x90",
    "bidi\u202e\u2066evil",
    "two\nlines\ttab\rback",
    "lone\udc80surrogate",
    "wide漢字名前",
    "z\u0301\u0301\u0301algo",
]
"""Markup, terminal escapes, what turns or hides text, wide and combining characters."""
