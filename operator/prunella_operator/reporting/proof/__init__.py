"""Statements about writes, and how they are held against the audit log of the API server."""
