"""A dump: API objects, Events and logs as files, read instead of a cluster."""
