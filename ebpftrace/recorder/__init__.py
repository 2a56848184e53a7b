"""The black box: when a snapshot is taken of a running session, and the loop that writes them."""
