"""Earned autonomy: from trials to a track record, and from that to a level with its reasons."""
