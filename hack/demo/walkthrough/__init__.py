"""The demo: a real cluster, two real faults, and Prunella healing them."""
