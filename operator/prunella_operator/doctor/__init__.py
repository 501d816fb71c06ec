"""Checks of an installation: `prunella doctor`."""
