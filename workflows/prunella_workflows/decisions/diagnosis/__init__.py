"""Symptoms and causes."""
