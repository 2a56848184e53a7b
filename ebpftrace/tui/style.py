"""Where the parts of the screen stand and which colours they have, as Textual is told."""

STYLE = """
Screen { background: ansi_default; color: ansi_default; }
Ask, Choose { background: transparent; }
#body { height: 1fr; layout: vertical; }
#body.beside { layout: horizontal; }
Table, Flame { height: 1fr; width: 1fr; }
#body.beside Pane { height: 1fr; padding-left: 1; }
#body.whole Pane { height: 1fr; width: 1fr; padding-left: 0; }
#scope { height: 1; }
Tabs { height: 1; }
Tabs Underline { display: none; }
Tab { color: ansi_default; }
Tab.-active { text-style: bold reverse; }
#filter { height: 1; border: none; padding: 0 1; background: ansi_default; }
Footer { background: ansi_default; }
FooterKey .footer-key--key { color: ansi_cyan; }
FooterKey .footer-key--description { color: ansi_default; }
SearchIcon { display: none; }
CommandPalette OptionList { min-width: 10; }  /* it raises in less */
"""
