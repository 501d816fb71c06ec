"""Guarded writes to workloads, and their undo."""
