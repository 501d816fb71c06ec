"""Frozen values shared by decisions, activities, CRDs and workflow payloads. Imports nothing of ours."""
