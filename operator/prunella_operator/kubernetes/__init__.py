"""Kubernetes as Prunella reaches it: access, a small REST client, and what the API server sends. Decides nothing."""
