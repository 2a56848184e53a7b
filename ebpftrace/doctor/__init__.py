"""Whether attaching will work, on this host and to these processes, and what to send when not.

It runs the checks of `host` and `kernel` in a fixed order, and those of a process; one more check
is one more line in `host_checks.CHECKS` or `target_checks.CHECKS`.
"""
