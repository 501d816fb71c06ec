"""The Grafana dashboards that Prunella ships, as short as they can be said."""
