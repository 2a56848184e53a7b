"""Pure functions over pictures."""
