"""What the diagnosis reads from the cluster."""
