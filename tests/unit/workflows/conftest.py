"""Hypothesis judges what is found, not how busy the machine is: no deadline per example."""

from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
