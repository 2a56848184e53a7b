"""The files that other tools read: one format a module, found in `registry`."""
