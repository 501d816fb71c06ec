"""Generates the CRDs from the models."""
