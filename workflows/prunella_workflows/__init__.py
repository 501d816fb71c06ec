"""The brain of Prunella: what is wrong, may we act, what to do, did it help.

Nothing in this package performs I/O, reads a clock or the environment: every fact arrives as an argument.
"""
