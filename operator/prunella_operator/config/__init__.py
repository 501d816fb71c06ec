"""Configuration: settings, the environment they come from, and the shipped CRDs."""
