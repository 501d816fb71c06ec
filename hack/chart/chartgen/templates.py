"""The templates: their manifests, and the values that they take."""

from dataclasses import dataclass

from chartgen.edits import Edit, action, line, own, pod, port_of, ports, replicas, spread, value

_SERVER = ".Values.temporal.developmentServer"
_SCALED = ".Values.worker.autoscaling"
_HPA = f'and {_SCALED}.enabled (eq {_SCALED}.by "hpa")'
_KEDA = f'and {_SCALED}.enabled (eq {_SCALED}.by "keda")'
_TELEMETRY = ".Values.telemetry"
_NETWORK = ".Values.networkPolicies.enabled"
_ADDRESS = '(include "prunella.temporalAddress" .)'
_LAG = f"{_TELEMETRY}.autoscaling"
_KEDA_SECRET = "prunella-telemetry-keda"
_KEEP = (
    "  annotations:",
    "    " + line("if .Values.crds.keep"),
    "    helm.sh/resource-policy: keep",
    "    " + line("end"),
)
_AND_SERVER = action(f"if {_SERVER}.enabled") + ", temporal" + action("end")
_CLASS = (line(f"with {_SERVER}.storageClassName"), "storageClassName: " + action("."), line("end"))


@dataclass(frozen=True)
class Template:
    """One file of the chart's folder `templates`: manifests, one after the other, changed by the edits."""

    name: str
    manifests: tuple[str, ...]
    edits: tuple[Edit, ...] = ()
    when: str = ""
    """A condition in the language of Helm's templates; empty: always."""


TEMPLATES = (
    Template(
        "crds",
        ("crds/clusterhealingpolicies.yaml", "crds/healingpolicies.yaml", "crds/incidents.yaml"),
        (Edit(r"^  labels:$", "\n".join((*_KEEP, "  labels:")), times=3),),
        when=".Values.crds.enabled",
    ),
    Template("admission", ("manifests/admission/incidents.yaml", "manifests/admission/identity.yaml")),
    Template(
        "priority",
        ("manifests/base/namespace.yaml",),
        (Edit(r"^apiVersion: v1\nkind: Namespace\n(?:.*\n)*?---\n", ""),),
    ),
    Template(
        "access",
        (
            "manifests/base/accounts.yaml",
            "manifests/base/roles.yaml",
            "manifests/base/people.yaml",
            "manifests/base/bindings.yaml",
            "manifests/base/leader.yaml",
            "manifests/base/records.yaml",
        ),
        (Edit(r"(?<=^  name: prunella-records\n)  labels:$", "\n".join((*_KEEP, "  labels:"))),),
    ),
    Template(
        "operator",
        ("manifests/base/operator.yaml",),
        (
            replicas("operator"),
            spread(),
            *pod("operator"),
            *own("prunella.operator"),
        ),
    ),
    Template(
        "worker",
        ("manifests/base/worker.yaml",),
        (
            replicas("worker", unless=f"{_SCALED}.enabled"),
            spread(),
            *pod("worker", image="prunella.readerImage"),
            *own("prunella.worker", has_env=False),
        ),
    ),
    Template(
        "console",
        ("manifests/base/console.yaml",),
        (
            *pod("console", image="prunella.readerImage"),
            *own("prunella.console"),
        ),
    ),
    Template("disruption", ("manifests/base/disruption.yaml",)),
    Template(
        "network",
        ("manifests/base/network.yaml",),
        (
            Edit(r"(?<=, prunella-doctor)\]$", f"{_AND_SERVER}]", times=2),
            ports("kubernetes", 443, 6443),
            ports("traces", 4317, 4318),
            port_of(_ADDRESS, 7233),
            ports("prometheus", 9090),
            ports("alertmanager", 9093),
            ports("mail", 465, 587),
        ),
        when=_NETWORK,
    ),
    Template(
        "temporal",
        ("manifests/overlays/quickstart/temporal.yaml",),
        (
            *pod("temporal.developmentServer"),
            value("storage", f"{_SERVER}.storage", found="1Gi"),
            Edit(r"^  resources:$", "\n".join(f"  {each}" for each in (*_CLASS, "resources:"))),
        ),
        when=f"{_SERVER}.enabled",
    ),
    Template(
        "temporal-network",
        ("manifests/overlays/quickstart/network.yaml",),
        when=f"and {_SERVER}.enabled {_NETWORK}",
    ),
    Template(
        "autoscaler",
        ("manifests/overlays/production/autoscaler.yaml",),
        (value("minReplicas", f"{_SCALED}.minReplicas"), value("maxReplicas", f"{_SCALED}.maxReplicas")),
        when=_HPA,
    ),
    Template(
        "keda",
        ("manifests/components/keda/scaledobject.yaml",),
        (
            value("minReplicaCount", f"{_SCALED}.minReplicas"),
            value("maxReplicaCount", f"{_SCALED}.maxReplicas"),
            value("endpoint", 'include "prunella.temporalAddress" .'),
            value("namespace", ".Values.temporal.namespace", found="prunella"),
        ),
        when=_KEDA,
    ),
    Template(
        "telemetry",
        ("manifests/components/telemetry/worker.yaml",),
        (
            replicas("telemetry", unless=f"{_LAG}.enabled"),
            *pod("telemetry", image="prunella.telemetryImage"),
            *own("prunella.extra"),
            value("secretName", f"{_TELEMETRY}.secretName"),
        ),
        when=f"{_TELEMETRY}.enabled",
    ),
    Template(
        "telemetry-network",
        ("manifests/components/telemetry/network.yaml",),
        (
            port_of(f"{_TELEMETRY}.kafka", 9092),
            port_of(_ADDRESS, 7233),
            ports("database", 5432),
        ),
        when=f"and {_TELEMETRY}.enabled {_NETWORK}",
    ),
    Template(
        "telemetry-keda",
        ("manifests/components/telemetry-keda/scaledobject.yaml",),
        (
            value("minReplicaCount", f"{_LAG}.minReplicas"),
            value("maxReplicaCount", f"{_LAG}.maxReplicas"),
            value("bootstrapServers", f"{_TELEMETRY}.kafka", times=3),
            value("name", f'{_LAG}.secretName | default "{_KEDA_SECRET}"', found=_KEDA_SECRET, times=3),
        ),
        when=f"and {_TELEMETRY}.enabled {_LAG}.enabled",
    ),
)
