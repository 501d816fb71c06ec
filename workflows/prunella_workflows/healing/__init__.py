"""The SelfHealing workflow."""
