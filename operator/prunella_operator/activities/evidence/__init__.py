"""Evidence: everything a diagnosis reads from the cluster."""
