"""Policies as objects of the cluster: their parsing, and their status."""
