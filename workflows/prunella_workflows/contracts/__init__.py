"""Requests, answers and options that workflows and activities agree on."""
