"""Activities that send messages and file tickets."""
