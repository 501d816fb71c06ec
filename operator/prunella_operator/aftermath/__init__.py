"""The aftermath of incidents that were only observed: the score of watching."""
