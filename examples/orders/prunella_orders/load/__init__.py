"""A load generator: it sends orders at a rate, waits for their end, and checks the books."""
