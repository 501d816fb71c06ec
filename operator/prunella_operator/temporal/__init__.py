"""The connection to Temporal: client, development server, RPC errors, payload encryption, backlog."""
