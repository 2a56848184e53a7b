"""The name of what a line of JSON says about itself.

Keys may be added within version 1, never renamed.
"""

NAME = "ebpftrace.picture"
VERSION = 1
SCHEMA = f"{NAME}/{VERSION}"
