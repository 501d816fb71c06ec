"""The web console: incidents in a browser, rendered on the server, with nothing loaded from anywhere else."""
