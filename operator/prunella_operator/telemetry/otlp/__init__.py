"""OTLP's protobuf messages to columns: wire bytes become Arrow arrays without an object per span."""
