"""The web console: incidents in a browser, rendered on the server, without external resources."""
