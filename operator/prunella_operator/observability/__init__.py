"""Telling people and machines what Prunella does: logs here, traces and metrics beside."""
