"""The eyes: sources turn what they see into Signals. They never create Incidents and never write to the cluster."""
