"""The diff for people: exact, short, and never with a secret in it."""

import copy

from fakes.objects import a_template
from hypothesis import given
from hypothesis import strategies as st

from prunella_operator.activities.repair.diff import template_diff


def with_env(*variables):
    return a_template(env=[{"name": name, "value": value} for name, value in variables])


def test_the_change_and_nothing_else():
    diff = template_diff(a_template(), a_template(memory="96Mi")).splitlines()
    assert [line for line in diff if line[0] in "+-" and not line.startswith(("+++", "---"))] == [
        "-        memory: 64Mi",
        "+        memory: 96Mi",
    ]


def test_nothing_changed_is_an_empty_text():
    assert template_diff(a_template(), a_template()) == ""


def test_the_controllers_label_is_no_change():
    assert template_diff(a_template(), a_template(labels={"pod-template-hash": "x"})) == ""


def test_a_restart_shows_its_stamp():
    other = a_template(annotations={"kubectl.kubernetes.io/restartedAt": "2026-11-24T09:00:00Z"})
    assert "2026-11-24T09:00:00Z" in template_diff(a_template(), other)


def test_a_changed_value_of_a_variable_shows_as_changed_and_stays_hidden():
    diff = template_diff(with_env(("PASSWORD", "hunter2")), with_env(("PASSWORD", "swordfish")))
    assert diff.count("(hidden, mark ") == 2
    assert "hunter2" not in diff
    assert "swordfish" not in diff


def test_a_variable_that_is_gone_is_named():
    diff = template_diff(with_env(("PAYMENT_URL", "http://x")), a_template())
    assert "-    - name: PAYMENT_URL" in diff
    assert "http://x" not in diff


def test_references_to_secrets_are_shown_they_are_names():
    ref = [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "shop", "key": "api"}}}]
    assert "secretKeyRef" in template_diff(a_template(), a_template(env=ref))


def test_secrets_in_arguments_and_headers_are_hidden():
    after = copy.deepcopy(a_template())
    container = after["spec"]["containers"][0]
    container["args"] = ["--db=postgres://shop:hunter2secret@db/shop", "--password=hunter2secret"]
    headers = [{"name": "Authorization", "value": "Bearer hunter2secret"}]
    container["livenessProbe"] = {"httpGet": {"path": "/", "httpHeaders": headers}}
    diff = template_diff(a_template(), after)
    assert "hunter2secret" not in diff
    assert "postgres://shop" in diff


def test_other_fields_called_value_are_shown():
    toleration = {"key": "zone", "operator": "Equal", "value": "west", "effect": "NoSchedule"}
    assert "value: west" in template_diff(a_template(), a_template(tolerations=[toleration]))


def test_a_long_diff_is_cut_and_says_so():
    after = a_template(annotations={f"example.org/note-{n}": "word " * 20 for n in range(200)})
    diff = template_diff(a_template(), after)
    assert len(diff) < 8100
    assert diff.endswith("... (cut)")


secrets = st.text(min_size=8, max_size=40).filter(lambda text: len(set(text)) > 4).map(lambda text: f"s3cr3t{text}")


@given(before=secrets, after=secrets)
def test_no_value_of_a_variable_is_ever_in_it(before, after):
    diff = template_diff(with_env(("A", before), ("B", after)), with_env(("A", after), ("C", before)))
    assert "s3cr3t" not in diff
