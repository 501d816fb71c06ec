"""Activities of the AlertHandling workflow."""
