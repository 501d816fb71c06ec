"""Access to Kubernetes: credentials, clients, watches, and views of objects. Decides nothing."""
