"""Large libraries, imported without optional dependencies that we do not use."""
