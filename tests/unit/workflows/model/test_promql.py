"""Templates of PromQL: what is refused, and that no value gets out of the place it was filled into."""

import re

import pytest
from builders import a_policy
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from prunella_workflows.model.policy import HealingPolicySpec
from prunella_workflows.model.policy_verification import Check
from prunella_workflows.model.promql import Values, check, escape, escape_regex, fill, lookback, match_any

SHOP = Values("shop", "web", "Deployment", ("web-1-a", "web-1-b"))


@pytest.mark.parametrize(
    ("template", "query"),
    [
        ("up", "up"),
        ('x{namespace="$namespace"}', 'x{namespace="shop"}'),
        ("x{namespace='${namespace}'}", "x{namespace='shop'}"),
        ('x{deployment = "$workload", kind!="$kind"}', 'x{deployment = "web", kind!="Deployment"}'),
        ('x{pod=~"$pods"}', 'x{pod=~"(?:web-1-a|web-1-b)"}'),
        ('x{pod!~"${workload}-.*"}', 'x{pod!~"web-.*"}'),
        ('sum(rate(x{a="$namespace"}[5m])) / y{a="$namespace"}', 'sum(rate(x{a="shop"}[5m])) / y{a="shop"}'),
        ('label_replace(x, "a", "$1", "b", "(.*)$")', 'label_replace(x, "a", "$1", "b", "(.*)$")'),
        ("x{a=~`^b$`} # 100$", "x{a=~`^b$`} # 100$"),
        (r'x{a="it\"s $namespace"}', r'x{a="it\"s shop"}'),
        ("# it's a comment\nup", "# it's a comment\nup"),
    ],
)
def test_a_template_is_filled_in(template, query):
    check(template)
    assert fill(template, SHOP) == query


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ('x{a="$name"}', "$name is not a placeholder; use one of $namespace, $workload, $kind, $pods"),
        ('x{a="${Namespace}"}', "$Namespace is not a placeholder"),
        ('x{a="$pod"}', "$pod is not a placeholder"),
        ('rate(x{a="b"}[$__rate_interval])', "$__rate_interval is not a placeholder"),
        ("x{a=$namespace}", "$namespace must stand inside the quoted value"),
        ("$workload", "$workload must stand inside the quoted value"),
        ("x{a=`$namespace`}", "must stand inside the quoted value"),
        ('label_replace(x, "a", "$namespace", "b", "")', "must stand inside the quoted value"),
        ("up # of $namespace", "must stand inside the quoted value"),
        ('x{pod="$pods"}', '$pods is a regex: write pod=~"$pods"'),
        ('x{pod!="$pods"}', '$pods is a regex: write pod=~"$pods"'),
        (r'x{a=~"\\$namespace"}', "$namespace must not follow a backslash"),
        ('x{a="$namespace}', 'a string that begins with " is not closed'),
        ("x{a='b", "a string that begins with ' is not closed"),
        ("x{a=`b", "a string that begins with ` is not closed"),
        ('x{a="$namespace\n"}', "is not closed"),
        ('x{a="b\\"}', "is not closed"),
    ],
)
def test_what_cannot_be_filled_in_safely_is_refused(template, words):
    for refuse in (check, lambda text: fill(text, SHOP)):
        with pytest.raises(ValueError, match=re.escape(words)):
            refuse(template)


def test_an_escaped_dollar_is_left_for_prometheus_to_refuse():
    assert fill(r'x{a="\$namespace"}', SHOP) == r'x{a="\$namespace"}'


# Hostile values. The oracle reads PromQL as Prometheus does: tokens first, then what a string stands for.

_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\"}
HOSTILE = st.text(
    alphabet=st.sampled_from("\"'`\\$.*+?()[]{}|^#,=~\n\r\t\x00\x1b ax0-\u00e9\ud800"), max_size=12
) | st.text(max_size=8)
TEMPLATE = 'x{a="$namespace",b!~\'pre-${workload}.*\',c=~"$pods",d=\'$kind\'} # "end'


def strings(query):
    """The strings of a query, each as (mark, value)."""
    found, place = [], 0
    while place < len(query):
        mark = query[place]
        place += 1
        if mark == "#":
            break
        if mark not in "\"'":
            continue
        value = ""
        while query[place] != mark:
            char = query[place]
            assert char >= " ", "a control character inside a string"
            if char == "\\":
                place += 1
                char = query[place]
                if char == "u":
                    char = chr(int(query[place + 1 : place + 5], 16))
                    place += 4
                else:
                    assert char in {mark, *_SIMPLE}, f"Prometheus knows no \\{char} here"
                    char = mark if char == mark else _SIMPLE[char]
            value += char
            place += 1
        place += 1
        found.append((mark, value))
    return found


def shown(text):
    """Half a character cannot be sent."""
    return re.sub(r"[\ud800-\udfff]", "\ufffd", text)


@given(namespace=HOSTILE, workload=HOSTILE, kind=HOSTILE, pods=st.lists(HOSTILE, min_size=1, max_size=3))
@example(namespace='"} or up{a="', workload="'} or up #", kind="\\", pods=['x"})', ".*", "a|b"])
def test_no_value_gets_out_of_its_string(namespace, workload, kind, pods):
    query = fill(TEMPLATE, Values(namespace, workload, kind, pods))
    (first, second, third, fourth) = strings(query)
    assert first == ('"', shown(namespace))
    assert second == ("'", f"pre-{escape_regex(shown(workload))}.*")
    assert third == ('"', match_any([shown(pod) for pod in pods]))
    assert fourth == ("'", shown(kind))
    assert [query[0:4], query.rpartition("}")[2]] == ["x{a=", ' # "end']


@given(pods=st.lists(HOSTILE, max_size=4), other=HOSTILE)
def test_the_regex_of_pods_matches_the_pods_and_nothing_else(pods, other):
    pattern = re.compile(match_any(pods).replace(r"\x{10FFFF}", "\U0010ffff"), re.DOTALL)
    assert all(pattern.fullmatch(pod) for pod in pods)
    assert bool(pattern.fullmatch(other)) == (other in pods)


def test_no_pods_match_nothing_not_even_what_has_no_pod():
    assert fill('x{pod=~"$pods"}', SHOP._replace(pods=())) == r'x{pod=~"[^\\x00-\\x{10FFFF}]"}'


@given(text=HOSTILE, mark=st.sampled_from("\"'"))
def test_escaped_text_reads_as_itself(text, mark):
    assert strings(f"{mark}{escape(text, mark)}{mark}") == [(mark, shown(text))]


@pytest.mark.parametrize(
    ("query", "seconds"),
    [
        ("up", 0),
        ("rate(x[5m])", 300),
        ("rate(x[90s]) / rate(y[1h30m])", 5400),
        ("max_over_time(rate(x[1m])[2h:30s])", 7200),
        ('x{a="[9h]"} # [9h]', 0),
        ("rate(x[ 1d ])", 86400),
        ("rate(x[500ms])", 0.5),
        ("rate(x[1w])", 604800),
    ],
)
def test_how_far_a_query_looks_back(query, seconds):
    assert lookback(query) == seconds


# Policies


def a_check(query):
    return {"verification": {"checks": [{"name": "errors", "query": query, "threshold": 1}]}}


def test_a_policy_with_a_template_is_read():
    (only,) = a_policy(**a_check('x{pod=~"$pods"}')).verification.checks
    assert (only.query, only.operator) == ('x{pod=~"$pods"}', "<=")


def test_a_policy_with_an_unknown_placeholder_is_refused_with_the_field():
    with pytest.raises(ValidationError) as refused:
        HealingPolicySpec.model_validate(a_check('x{pod="$pod"}'))
    (error,) = refused.value.errors()
    assert error["loc"] == ("verification", "checks")
    assert "[0].query of errors: $pod is not a placeholder" in error["msg"]


def test_what_a_workflow_recorded_is_read_whatever_is_refused_today():
    assert Check(name="errors", query='x{pod="$pod"}', threshold=1).query
