"""The AlertHandling workflow."""
