"""Ticket systems: a port, and its implementations for Jira, GitHub Issues and a signed webhook."""
