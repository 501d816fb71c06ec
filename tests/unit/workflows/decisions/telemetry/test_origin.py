"""The origin of an anomaly in a graph of services, or unknown."""

import pytest

from prunella_workflows.decisions.telemetry.origin import Edge, Graph, Node, find_origin


def origin(subject, nodes, *edges, slow=False):
    return find_origin(subject, Graph(nodes, edges), slow)


def erring(own=0.0, share=0.2):
    return Node(requests=100, own_errors=own, server_share=share)


def failing(caller, callee, failures=20, calls=100):
    return Edge(caller, callee, calls=calls, failures=failures)


def fine(caller, callee):
    return Edge(caller, callee, calls=100)


def test_errors_belong_to_the_service_that_makes_them():
    nodes = {"a": erring(), "b": erring(), "c": erring(own=20)}
    found = origin("a", nodes, failing("a", "b"), failing("b", "c"), fine("a", "d"))
    assert (found.service, found.edges) == ("c", ("a -> b", "b -> c"))


def test_its_own():
    assert origin("a", {"a": erring(own=20)}, fine("a", "b")).service == "a"


def test_two_that_make_errors_are_unknown():
    nodes = {"a": erring(), "b": erring(own=11), "c": erring(own=10)}
    assert origin("a", nodes, failing("a", "b", 11), failing("a", "c", 10)).service is None


def test_errors_elsewhere_are_not_looked_at():
    nodes = {"a": erring(own=20), "z": erring(own=500)}
    assert origin("a", nodes, fine("a", "z")).service == "a"


def test_loops_end():
    nodes = {"a": erring(), "b": erring(), "c": erring(own=20)}
    edges = [failing("a", "b"), failing("b", "a"), failing("b", "b"), failing("b", "c")]
    assert origin("a", nodes, *edges).service == "c"


def test_a_callee_that_is_away():
    """Its server reports nothing, and the callers' client errors are their own: all edges of it are bad."""
    nodes = {"a": erring(own=90), "b": erring(own=80), "c": Node()}
    edges = [failing("a", "c", 90), failing("b", "c", 80), fine("a", "x"), fine("a", "y"), fine("b", "x")]
    assert origin("a", nodes, *edges).service == "c"


def test_one_bad_edge_of_many_is_unknown():
    nodes = {"a": erring(own=90), "c": erring(share=0)}
    edges = [failing("a", "c", 90), fine("a", "x"), fine("b", "c")]
    found = origin("a", nodes, *edges)
    assert (found.service, found.edges) == (None, ("a -> c",))


def test_a_caller_whose_every_call_fails():
    nodes = {"a": erring(own=90), "b": erring(share=0), "c": erring(share=0), "d": erring(share=0)}
    bad = [failing("a", name, 30) for name in "bcd"]
    others = [fine("x", name) for name in "bcd"]
    assert origin("a", nodes, *bad, *others, *[fine("y", name) for name in "bcd"]).service == "a"


def test_calls_that_stop_may_be_the_callers_fault():
    nodes = {"a": erring(own=90)}
    assert origin("a", nodes, Edge("a", "b", vanished=90), fine("a", "c")).service is None


def test_calls_of_all_callers_that_stop():
    nodes = {"a": erring(own=90), "z": erring(own=90)}
    edges = [Edge("a", "b", vanished=90), Edge("z", "b", vanished=90), fine("a", "c"), fine("z", "c")]
    assert origin("a", nodes, *edges, fine("a", "d")).service == "b"


def slow(ms, requests=100.0):
    return Node(requests=requests, slow_ms=ms)


def test_slow_time_belongs_to_the_last_slow_service():
    nodes = {"a": slow(105), "b": slow(101), "c": slow(100)}
    assert origin("a", nodes, fine("a", "b"), fine("b", "c"), slow=True).service == "c"


def test_slow_by_itself():
    nodes = {"a": slow(100), "b": slow(10)}
    assert origin("a", nodes, fine("a", "b"), slow=True).service == "a"


def test_a_slow_network_of_a_callee():
    gaps = [Edge(caller, "c", calls=100, slow_ms=50) for caller in "ab"]
    nodes = {"a": slow(50), "b": slow(50)}
    assert origin("a", nodes, *gaps, fine("a", "x"), fine("b", "x"), slow=True).service == "c"


def test_a_slow_edge_of_many_is_unknown():
    gap = Edge("a", "c", calls=100, slow_ms=50)
    assert origin("a", {"a": slow(50)}, gap, fine("a", "x"), fine("b", "c"), slow=True).service is None


def test_failures_explain_slowness():
    """The caller waits for a callee that does not answer: no server says for how long."""
    nodes = {"a": Node(100, own_errors=60, server_share=0.6, slow_ms=500), "c": Node()}
    edges = [failing("a", "c", 60), failing("b", "c", 60), fine("a", "x"), fine("a", "y")]
    assert origin("a", nodes, *edges, slow=True).service == "c"


@pytest.mark.parametrize("slowness", [True, False])
def test_nothing_is_unknown(slowness):
    assert origin("a", {}, slow=slowness).service is None
    assert origin("a", {"a": Node(100)}, fine("a", "b"), slow=slowness).service is None
