"""The Alertmanager webhook: receive alerts and dispatch them to workflows."""
