"""One process from the outside: who it is, what it has mapped, and the very files behind that."""
