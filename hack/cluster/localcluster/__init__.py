"""A Kubernetes cluster on this machine for development, tests and benchmarks.

An existing context, kind, or a cluster of our own whose parts are built from Go modules (no Docker, no registry).
"""
