"""Audits the lock files: offline what they pin, and against PyPI's advisories what is known of it."""
