"""The aftermath of incidents that were only observed: the shadow score."""
