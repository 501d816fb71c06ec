"""The Grafana dashboards that Prunella ships."""
