"""Two services that the shop depends on, each a process of its own with a schema of its own: payments and carrier."""
