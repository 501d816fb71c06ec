"""Typed views of raw Kubernetes objects."""
