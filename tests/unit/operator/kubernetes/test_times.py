"""Times in Kubernetes objects."""

from prunella_operator.kubernetes.times import parse_time


def test_time_of_nothing_is_none():
    assert (parse_time(None), parse_time("")) == (None, None)
