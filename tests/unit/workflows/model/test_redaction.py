"""Log lines that leave the cluster carry no credentials and stay readable."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunella_workflows.model.redaction import redact

PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\nabc=\n-----END RSA PRIVATE KEY-----"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
DIGEST = "2bcabc23b45489fb0885d69a06ba1d648aeda973fae7bb981bafbb884165e514"
UID = "3f0d6a0e-8f1c-4b7e-9d51-0a6cf2f3a111"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("password=hunter2 user=bob", "password=*** user=bob"),
        ("DB_PASSWORD: hunter2", "DB_PASSWORD: ***"),
        ('{"password": "hunter 2", "user": "bob"}', '{"password": ***, "user": "bob"}'),
        (r"{\"password\":\"hunter2\",\"a\":1}", r"{\"password\":***,\"a\":1}"),
        ("Server=db;Pwd=geheim;Database=x", "Server=db;Pwd=***;Database=x"),
        ("client_secret='a b'", "client_secret=***"),
        ("token = abc", "token = ***"),
        ("db --password hunter2 --verbose", "db --password *** --verbose"),
        ("db --admin-token=abc -v", "db --admin-token=*** -v"),
        ("Authorization: Basic dXNlcjpwYXNz", "Authorization: ***"),
        ("Authorization: Digest username=bob, response=1", "Authorization: ***"),
        ("Cookie: session=1; other=2", "Cookie: ***"),
        ("sent Bearer abc123.def-456", "sent Bearer ***"),
        (f"jwt {JWT} end", "jwt *** end"),
        ("postgres://shop:s3cr3t@db:5432/shop", "postgres://shop:***@db:5432/shop"),
        ("redis://:s3cr3t@cache:6379", "redis://:***@cache:6379"),
        ("https://abcdefghijklmnopqrstuv@git.example.org/x", "https://***@git.example.org/x"),
        ("key AKIAIOSFODNN7EXAMPLE used", "key *** used"),
        ("aws_secret_access_key=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "aws_secret_access_key=***"),
        ("got q3Zt/8fLk2+Vb9Rw1Xp/7YcN4mJd6Hs0Ga5TeUiQ", "got ***"),
        ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", "***"),
        ("xoxb-123456789012-abcdefABCDEF", "***"),
        ("sk_live_4eC39HqLyjWDarjtT1zdp7dc", "***"),
        (f"before {PEM} after", "before *** after"),
        (PEM.replace("\n", r"\n"), "***"),
        (PEM[:50], "***"),
        ("opaque q7Wm2ZkP9xLr4TvB8nYc1D", "opaque ***"),
        ("opaque 8sdf7gk2j3h4lq9w8e7r6t5y4u3i2o1p", "opaque ***"),
        ("ca.crt: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUM", "ca.crt: ***"),
    ],
)
def test_masks(text, expected):
    assert redact(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"image docker.io/library/nginx@sha256:{DIGEST}",
        f"containerd://{DIGEST}",
        f"uid {UID} trace 4bf92f3577b34da6a3ce929d0e0e4736 commit 32b2ff0abc1234567890abcdef1234567890abcd",
        "pod checkout-7d9f8b6c5d-x2x4z in ReplicaSet/checkout-7d9f8b6c5d",
        f"back-off 5m0s restarting failed container=shop pod=checkout-7d9f8b6c5d-x2x4z_shop({UID})",
        'MountVolume.SetUp failed for volume "db-secret" : secret "db-secret" not found',
        "secretName: db-credentials imagePullSecrets max_tokens=4096 token_count=5 password_file=/run/p",
        'couldn\'t find key "password" in Secret shop/db',
        "basic authentication failed; bearer tokens are not accepted",
        "java.lang.IllegalStateException: at com.example.OrderServiceImplV2.getHttpApiV2(OrderServiceImplV2.java:42)",
        "File /usr/lib/python3.11/site-packages/temporalio/worker/_activity.py, line 7",
        "k8s.io/kubernetes/pkg/kubelet.(*Kubelet).syncPodWithContextV2 0xc000123abc",
        "2026-11-24T11:34:02.123456Z E1124 reconciler_common.go:169] https://host:8443/path?x=1 by user@example.org",
        "access denied for user shop",
        "PodDisruptionBudgetAtLimit AbstractSingletonProxyFactoryBean2 MutatingWebhookConfigurationV1beta1",
    ],
)
def test_keeps(text):
    assert redact(text) == text


@given(st.text() | st.text(alphabet="pasword=:'\" \\-/@[]*tokenA1\n", max_size=80))
def test_never_raises_and_is_idempotent(text):
    once = redact(text)
    assert redact(once) == once


@given(st.text(alphabet="abcdefgh0123", min_size=1))
def test_a_keyed_secret_never_survives(secret):
    assert redact(f"x password={secret} y") == "x password=*** y"


@pytest.mark.parametrize("seed", ["a", "a-", "://", "token", "-----BEGIN A-----", "aB3", '"', "\\a", "basic ", "a:"])
def test_is_quick_on_hostile_text(seed):
    started = time.perf_counter()
    redact(seed * (100_000 // len(seed)))
    assert time.perf_counter() - started < 2
