"""The Escalation workflow."""
