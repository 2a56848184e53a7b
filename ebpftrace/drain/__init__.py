"""From raw map entries and events to the model: counters, stacks, growth, and the thread that polls.

Reads through `kernel.tables`; draws nothing and knows no target beyond its slot.
"""
