"""How people are reached by chat, mail and paging: a port, its implementation over apprise, and the text they read."""
