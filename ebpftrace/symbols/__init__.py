"""Addresses of a process to frames: functions and modules."""
