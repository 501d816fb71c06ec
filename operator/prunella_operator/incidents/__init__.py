"""Incidents: from a detected fault to a running workflow, and from there to deletion."""
