"""Notifiers for chat, mail and paging: a port, its implementation over apprise, and the rendering of messages."""
