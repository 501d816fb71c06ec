"""The live view: redrawn on a terminal, appended elsewhere; it tolerates an unavailable API server."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from prunella_operator.incidents.client import parse
from prunella_operator.presentation.terminal import age, console, duration, incident_table, safe
from prunella_operator.presentation.watch import all_closed, follow
from prunella_workflows.model.errors import Unavailable

NOW = datetime(2026, 11, 24, 11, 1, tzinfo=UTC)


def script(*responses):
    """A poll that returns these responses one by one."""
    remaining = list(responses)

    def poll():
        response = remaining.pop(0)
        if isinstance(response, Exception):
            raise response
        return [parse(raw) for raw in response]

    return poll


def watch(poll, out):
    return follow(poll, out, lambda: NOW, all_closed, lambda _: None)


def test_a_pipe_gets_one_line_per_change(make):
    out = io.StringIO()
    first, last = make("a"), make("a", phase="Healed", healedIn="20s")
    ended = watch(script([], [first], [first], Unavailable("away"), [last]), console(out))
    assert [incident.phase for incident in ended] == ["Healed"]
    assert [line.split(" ", 1)[1] for line in out.getvalue().splitlines()] == [
        "shop/a Repairing Deployment/checkout",
        "away",
        "shop/a Healed Deployment/checkout | healed in 20s",
    ]


def test_a_terminal_is_redrawn(make):
    out = io.StringIO()
    screen = Console(file=out, force_terminal=True, width=120)
    poll = script([], [make("a", message="at work")], Unavailable("away"), [make("a", phase="Healed")])
    watch(poll, screen)
    drawn = out.getvalue()
    for part in ("No incidents yet", "a: at work", "away", "Healed", "\x1b["):
        assert part in drawn, part


def test_until_closed_needs_an_incident(make):
    assert not all_closed([])
    assert not all_closed([parse(make("a", phase="Failed")), parse(make("b"))])
    assert all_closed([parse(make("a", phase="Failed"))])


def test_a_narrow_terminal_gets_fewer_columns_and_whole_words(make):
    incidents = [parse(make("recommendations-0d95c863", phase="AwaitingApproval", rootCause="pod_oom_killed"))]
    headers = [str(column.header) for column in incident_table(incidents, NOW, namespaces=False, width=80).columns]
    assert headers == ["NAME", "PHASE", "TARGET", "AGE", "HEALED IN"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (-5, "0s"), (59, "59s"), (90, "90s"), (120, "2m"), (7199, "119m"), (7200, "2h"), (172800, "2d")],
)
def test_ages_read_as_kubectl_writes_them(seconds, text):
    assert duration(timedelta(seconds=seconds)) == text
    assert age(NOW - timedelta(seconds=seconds), NOW) == text


def test_texts_from_a_cluster_cannot_move_the_cursor():
    assert safe("a\x1b[2Jb\r\nc\td\x00\u202e").plain == "a�[2Jb\nc\td��"
