"""Workloads with rights of their own: a rollback may restore what the current template has, and nothing more."""

from support.api import Object
from support.cases import builders as shop
from support.cases.run import CaseRun


def _marked(run: CaseRun, **meta: dict[str, str]) -> None:
    run.api.patch(f"/api/v1/namespaces/{run.namespace}", {"metadata": meta})


def _agent(obj: Object) -> None:
    """An agent that reads files of its node and has an additional capability."""
    shop.pods(volumes=[{"name": "node", "hostPath": {"path": "/etc"}}])(obj)
    mount = {"name": "node", "mountPath": "/node", "readOnly": True}
    context = {"capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}}
    shop.server(volumeMounts=[mount], securityContext=context)(obj)


def _with_node(run: CaseRun) -> None:
    _marked(run, labels={"pod-security.kubernetes.io/enforce": "privileged"})
    shop.applied(_agent)(run)


def _with_account(run: CaseRun) -> None:
    """The namespace says that a rollback may return to this account."""
    meta = {"name": "shop", "namespace": run.namespace}
    run.api.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})
    _marked(run, annotations={"prunella.dev/may-restore": "serviceAccountName=shop"})
    shop.applied(shop.pods(serviceAccountName="shop"))(run)


CASES = (
    shop.healed("daemon-of-the-node", _with_node, shop.applied(shop.bad(), _agent), "bad_release", kind="DaemonSet"),
    shop.rolled_back(
        "account-to-return-to",
        _with_account,
        shop.applied(shop.release(2), shop.pods(serviceAccountName="missing")),
    ),
)
