"""Builders of pods as the API server sends them, small or of realistic size."""

import copy


def running(**more):
    return {"name": "app", "restartCount": 0, "state": {"running": {"startedAt": "2026-11-24T08:00:00Z"}}, **more}


def ended(reason="Error", code=1, at="2026-11-24T09:59:00Z"):
    return {"terminated": {"exitCode": code, "reason": reason, "startedAt": at, "finishedAt": at}}


def waiting(reason, message=""):
    return {"waiting": {"reason": reason, "message": message}}


def pod(name="web-1", *, uid=None, version=1, containers=None, init=None, phase="Running", reason="", **metadata):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": uid or f"uid-{name}",
            "resourceVersion": str(version),
            "creationTimestamp": None,
            "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d", "uid": "rs-1", "controller": True}
            ],
            **metadata,
        },
        "spec": {"containers": [{"name": "app", "image": "shop:1"}]},
        "status": {
            "phase": phase,
            "reason": reason,
            "containerStatuses": [running()] if containers is None else containers,
            "initContainerStatuses": init or [],
        },
    }


def realistic(number, *, restarts=0, version=1, stamp=""):
    """A pod of about 10 KB, as a real cluster sends it: managed fields, two containers, volumes, environment."""
    result = copy.deepcopy(_TEMPLATE)
    uid = f"7d1c9a52-0000-4000-8000-{number:012d}"
    result["metadata"].update(
        name=f"checkout-6c9f7d5b8-{number:05d}", namespace=f"shop-{number % 20}", uid=uid, resourceVersion=str(version)
    )
    if stamp:
        result["metadata"]["annotations"]["bench/stamp"] = stamp
    result["status"]["containerStatuses"][0]["restartCount"] = restarts
    return result


def _managed(manager):
    keys = {f'k:{{"name":"VARIABLE_{n}"}}': {".": {}, "f:name": {}, "f:value": {}} for n in range(20)}
    fields = {"f:spec": {"f:containers": {'k:{"name":"app"}': {"f:env": keys, "f:image": {}, "f:resources": {}}}}}
    stamp = "2026-11-24T08:00:00Z"
    return {"manager": manager, "operation": "Update", "apiVersion": "v1", "time": stamp, "fieldsV1": fields}


def _container(name):
    return {
        "name": name,
        "image": f"registry.example.org/shop/{name}@sha256:" + "a" * 64,
        "env": [{"name": f"VARIABLE_{n}", "value": f"some-value-of-moderate-length-{n}"} for n in range(20)],
        "resources": {"limits": {"cpu": "500m", "memory": "256Mi"}, "requests": {"cpu": "100m", "memory": "128Mi"}},
        "volumeMounts": [{"name": f"volume-{n}", "mountPath": f"/var/lib/volume-{n}"} for n in range(4)],
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 10, "failureThreshold": 3},
        "terminationMessagePath": "/dev/termination-log",
        "imagePullPolicy": "IfNotPresent",
    }


def _status(name):
    return {
        "name": name,
        "restartCount": 0,
        "ready": True,
        "started": True,
        "state": {"running": {"startedAt": "2026-11-24T08:00:00Z"}},
        "lastState": {},
        "image": f"registry.example.org/shop/{name}",
        "imageID": f"registry.example.org/shop/{name}@sha256:" + "a" * 64,
        "containerID": "containerd://" + "b" * 64,
    }


_TEMPLATE = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "creationTimestamp": "2026-11-24T08:00:00Z",
        "generateName": "checkout-6c9f7d5b8-",
        "labels": {"app": "checkout", "pod-template-hash": "6c9f7d5b8", "team": "payments", "tier": "backend"},
        "annotations": {"prometheus.io/scrape": "true", "checksum/config": "c" * 64},
        "ownerReferences": [
            {
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "name": "checkout-6c9f7d5b8",
                "uid": "1a2b3c4d-0000-4000-8000-000000000001",
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
        "managedFields": [_managed("kube-controller-manager"), _managed("kubelet")],
    },
    "spec": {
        "containers": [_container("app"), _container("proxy")],
        "volumes": [{"name": f"volume-{n}", "emptyDir": {"sizeLimit": "1Gi"}} for n in range(4)],
        "nodeName": "node-17",
        "serviceAccountName": "checkout",
        "tolerations": [
            {
                "key": "node.kubernetes.io/not-ready",
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": 300,
            }
        ],
    },
    "status": {
        "phase": "Running",
        "conditions": [
            {"type": t, "status": "True", "lastProbeTime": None, "lastTransitionTime": "2026-11-24T08:00:00Z"}
            for t in ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
        ],
        "hostIP": "10.0.0.17",
        "podIP": "10.244.17.5",
        "podIPs": [{"ip": "10.244.17.5"}],
        "startTime": "2026-11-24T08:00:00Z",
        "containerStatuses": [_status("app"), _status("proxy")],
        "qosClass": "Burstable",
    },
}
