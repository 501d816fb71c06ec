"""The shadow score: counts, lead, sentence."""

from datetime import UTC, datetime, timedelta

from fakes.incidents import incident

from prunella_operator.incidents.client import parse
from prunella_operator.reporting.shadow import build_shadow

CLOSED = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SINCE, UNTIL = CLOSED - timedelta(days=7), CLOSED + timedelta(days=1)


def observed(number, outcome=None, minutes=None, *, namespace="shop", phase="DryRunDone", plan="Restart it", **spec):
    """An observed incident, its outcome, and the minutes until people changed the workload."""
    values = {"plan": plan, "times": {"closedAt": CLOSED.isoformat()}}
    if outcome:
        changed = {"changedAt": (CLOSED + timedelta(minutes=minutes)).isoformat()} if minutes is not None else {}
        values["aftermath"] = {"outcome": outcome, "message": "m", "decidedAt": UNTIL.isoformat(), **changed}
    return parse(incident(f"web-{number}", namespace, phase, spec=spec, **values))


EVERYTHING = [
    *(observed(number, "SameChange", 16 + number) for number in range(14)),
    observed(14, "Recovered"),
    observed(15, "Recovered"),
    observed(16, "SameChangeFailed", 5),
]


def test_the_sentence():
    assert build_shadow(EVERYTHING, SINCE, UNTIL).total.sentence == (
        "Of 17 observed incidents with a plan, 14 would have been healed, in the median 22m30s before people did; "
        "2 went away without a change of the workload; 1 plan was wrong."
    )


def test_what_is_not_known_is_not_healed():
    outcomes = ("OtherChange", "Persisted", "Deleted", "NotKnown", None)
    report = build_shadow([observed(n, outcome) for n, outcome in enumerate(outcomes)], SINCE, UNTIL)
    assert report.total.sentence == (
        "Of 5 observed incidents with a plan, 0 would have been healed; 1 was healed in another way; 1 went on; "
        "1 workload was deleted; 1 is not known; 1 is not judged yet."
    )


def test_a_change_at_an_unknown_time_counts_and_has_no_lead():
    total = build_shadow([observed(1, "SameChange")], SINCE, UNTIL).total
    assert (total.healed, total.lead.median) == (1, None)


def test_others_do_not_count():
    others = [observed(1, phase="Healed"), observed(2, plan="")]
    report = build_shadow(others, SINCE, UNTIL)
    assert (report.total.incidents, report.planless) == (0, 1)
    assert build_shadow(EVERYTHING, UNTIL, UNTIL + timedelta(days=1)).total.incidents == 0


def test_one_line_for_each_workload_the_largest_first():
    target = {"kind": "Deployment", "name": "api"}
    report = build_shadow([*EVERYTHING, observed(20, "Persisted", target=target)], SINCE, UNTIL)
    assert [(line.name, line.incidents) for line in report.workloads] == [
        ("shop/Deployment/checkout", 17),
        ("shop/Deployment/api", 1),
    ]
