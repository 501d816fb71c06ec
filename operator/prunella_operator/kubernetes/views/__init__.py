"""Typed views of raw Kubernetes objects, whose keys only these modules should read."""
