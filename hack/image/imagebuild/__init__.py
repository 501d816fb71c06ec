"""Builds the container image: Debian's Python, the pinned packages, Prunella, and a list of all of it."""
