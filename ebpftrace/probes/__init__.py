"""Where to probe: allocator families as data, the cheapest safe instruction, the plan."""
