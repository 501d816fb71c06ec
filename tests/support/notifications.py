"""Builders for Alertmanager's notifications as Python values: payloads of version 4."""

import json

START, END = "2026-03-04T12:00:00.123456789Z", "2026-03-04T12:30:00Z"


def an_alert(**values):
    return {
        "status": "firing",
        "labels": {"alertname": "KubePodCrashLooping", "namespace": "shop", "pod": "web-1", "severity": "critical"},
        "annotations": {"summary": "Pod is crash looping."},
        "startsAt": START,
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus:9090/graph?g0.expr=up",
        "fingerprint": "0123456789abcdef",
        **values,
    }


def a_notification(*alerts, **values):
    found = list(alerts) or [an_alert()]
    return {
        "version": "4",
        "groupKey": '{}:{alertname="KubePodCrashLooping"}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "prunella",
        "groupLabels": {"alertname": "KubePodCrashLooping"},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager:9093",
        "alerts": found,
        **values,
    }


def body(*alerts, **values):
    return json.dumps(a_notification(*alerts, **values)).encode()
