"""Audits the lock files: their pins offline, and the pinned packages against PyPI's advisories."""
