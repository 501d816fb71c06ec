"""The eyes and hands of Prunella: everything that talks to Kubernetes, Temporal and people. Decides nothing."""
