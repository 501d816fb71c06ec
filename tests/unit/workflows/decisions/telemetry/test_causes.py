"""Origins and splits as they are judged: from windows of several services to the alerts."""

from dataclasses import replace

from support.streams import Stream, a_ref, an_edge, scaled, slower

from prunella_workflows.decisions.telemetry.windows import Pod, PodCounts, ServiceCounts, Window
from prunella_workflows.model.telemetry import AnomalyKind, SplitKind

LEARNT = 100


def shop(stream, steps, *, failing=0, slow=0, away=False):
    """web calls api and cart, and api calls db, which fails or is slow; all pass it on."""
    for _ in range(steps):
        names = ("web", "api") if away else ("web", "api", "db")
        bad = {"web": failing, "api": failing, "db": failing, "cart": 0}
        shift = {"web": slow, "api": slow, "db": slow, "cart": 0}
        services = [
            ServiceCounts(a_ref(name), 100, bad[name], failing if name == "db" else 0, slower(scaled(100), shift[name]))
            for name in (*names, "cart")
        ]
        if away:
            services[1] = replace(services[1], own_errors=failing)
        edges = [
            an_edge("web", "api", 100, errors=failing),
            an_edge("web", "cart", 100),
            an_edge("api", "db", 100, errors=failing, lost=failing if away else 0),
            an_edge("cart", "db", 100, errors=failing if away else 0, lost=failing if away else 0),
        ]
        stream.judge(Window(stream.time, tuple(services), tuple(edges)))


def told(stream):
    return {(str(each.subject), each.kind): each for each in stream.last.ongoing}


def test_errors_come_from_the_database():
    stream = Stream()
    shop(stream, LEARNT)
    shop(stream, 6, failing=40)
    found = told(stream)
    kind = AnomalyKind.ERROR_RATE
    assert {key: str(each.origin) for key, each in found.items()} == {
        (f"shop/{name}", kind): "shop/db" for name in ("web", "api", "db")
    }
    assert found["shop/db", kind].dependants == ("shop/api", "shop/web")
    assert found["shop/web", kind].edges == ("shop/web -> shop/api", "shop/api -> shop/db")
    assert all(each.critical for each in found.values())


def test_slowness_comes_from_the_database():
    stream = Stream()
    shop(stream, LEARNT)
    shop(stream, 8, slow=20)
    assert {str(each.origin) for each in stream.last.ongoing} == {"shop/db"}
    assert all(each.critical and each.ratio > 4 for each in stream.last.ongoing)


def test_a_database_that_does_not_answer():
    stream = Stream()
    shop(stream, LEARNT)
    shop(stream, 6, failing=90, away=True)
    assert {str(each.origin) for each in stream.last.ongoing} == {"shop/db"}


def of_pods(stream, steps, new, bad):
    """Three old pods and, once there are, one new one with so many bad requests."""
    for _ in range(steps):
        pods = [PodCounts(Pod(f"old{one}", f"n{one}", "t1"), 30) for one in range(3)]
        pods += [PodCounts(Pod("new", "n1", "t2"), 30, bad)] * new
        counts = ServiceCounts(a_ref("web"), 90 + 30 * new, bad * new, bad * new, scaled(100), tuple(pods), ("trace",))
        stream.judge(Window(stream.time, (counts,)))


def test_a_bad_release():
    """Only the new pods fail: the service itself is the origin, whatever it calls."""
    stream = Stream()
    of_pods(stream, LEARNT, new=0, bad=0)
    of_pods(stream, 6, new=1, bad=28)
    (found,) = stream.last.ongoing
    assert (found.split.kind, found.split.name, found.pod_uids) == (SplitKind.NEW_PODS, "t2", ("new",))
    assert (str(found.origin), found.critical, found.traces) == ("shop/web", True, ("trace",))


def test_what_was_told_is_kept():
    stream = Stream()
    of_pods(stream, LEARNT, new=0, bad=0)
    of_pods(stream, 6, new=1, bad=28)
    stream.feed(2, requests=100, share=0.3)
    (found,) = stream.last.ongoing
    assert (found.split.kind, str(found.origin), found.critical) == (SplitKind.NEW_PODS, "shop/web", True)
    assert stream.changed == [] or stream.changed[-1].critical
