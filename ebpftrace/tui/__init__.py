"""The dashboard: draws a PictureSource on a terminal, and computes nothing else.

What the screen says comes from pure functions (`rows`, `columns`, `header`, `status`, `stack`,
`guide`, `room`), which need no Textual; `app` and the widgets only place it. Nobody else imports
Textual, so importing this package must not.
"""
