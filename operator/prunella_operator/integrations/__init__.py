"""Other services: notification channels and ticket systems."""
