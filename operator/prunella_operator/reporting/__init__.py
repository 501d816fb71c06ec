"""Statistics over past incidents: `prunella report`."""
