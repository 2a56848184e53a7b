"""Typed integers, so that an address never passes for an offset nor a pid for a slot."""

from typing import NewType

Pid = NewType("Pid", int)
"""A process (thread group) as the user names it."""

Tid = NewType("Tid", int)
"""A thread."""

Slot = NewType("Slot", int)
"""A traced address space: small, ours, never a pid; an exec takes a new one."""

Address = NewType("Address", int)
"""A virtual address in a running target."""

FileOffset = NewType("FileOffset", int)
"""Bytes from the start of an ELF file: what a uprobe is placed by."""

ImageAddress = NewType("ImageAddress", int)
"""An address as the ELF file itself states it (before the load bias): what addr2line wants."""

StackId = NewType("StackId", int)
"""Kernel-side hash of a call stack and the allocator function it ended in; 0: not kept."""
