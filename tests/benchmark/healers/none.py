"""A healer that does nothing: what ends well without one."""

from benchmark.healers.watching import end_at_sigterm, until_stopped

if __name__ == "__main__":
    end_at_sigterm()
    until_stopped()
