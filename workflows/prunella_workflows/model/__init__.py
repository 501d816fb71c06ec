"""Frozen values that the brain, the hands, the CRDs and the workflow payloads share. Imports nothing of ours."""
