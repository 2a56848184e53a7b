"""The commands: one file each, one table of exit codes, one place that catches."""
