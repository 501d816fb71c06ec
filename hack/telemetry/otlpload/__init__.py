"""A load of OTLP as a small shop sends it: traces, metrics and logs, steady, seeded and counted, with faults."""
