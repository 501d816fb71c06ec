"""The process: operator, worker, leader election, health endpoints."""
