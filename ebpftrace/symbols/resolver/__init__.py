"""The process that reads debug information with native code, and the way to talk to it."""
