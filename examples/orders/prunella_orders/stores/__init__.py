"""The tables of the order system. Each change happens once, by the unique key of its row."""
