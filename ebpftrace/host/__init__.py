"""What this host allows, each fact read on its own: parsers take text, thin readers open files.

A fact that cannot be read is None, never an error: nothing raises past its module. What has to be
tried with a system call of BPF or perf is tried in `kernel.trials`; `doctor` puts both together.
"""
