"""The codec server: decrypts payloads for Temporal's web page and command line."""
