"""Builds the container image: Debian's Python, the pinned packages, Prunella, and a bill of materials."""
