"""The whole order system as processes of this machine, for people, tests and benchmarks: no containers."""
