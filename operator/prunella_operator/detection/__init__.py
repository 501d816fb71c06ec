"""Fault detection: sources turn watched objects into Signals. They never create Incidents nor write to the cluster."""
