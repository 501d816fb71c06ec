"""Rendering for the terminal and for HTML."""
