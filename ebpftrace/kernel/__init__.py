"""The only package that knows BCC, the bpf() system call and perf events.

It compiles and loads `bpf/`, attaches its programs with rollback, and reads its maps as bytes. What
the numbers mean is left to `drain`.
"""
