"""Leaner imports of the large libraries."""
