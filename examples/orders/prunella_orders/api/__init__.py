"""The HTTP API of the order system."""
