"""The settings: one frozen value, built once in the command line and handed on by argument.

Later wins: the default, a `PRUNELLA_*` environment variable, a flag. Each field states its unit and why it is so.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from prunella_operator.config.environment import PREFIX, in_cluster, state_home

EMBEDDED = "embedded"
"""The address that means: start a Temporal server of our own (`prunella run` only)."""


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _address(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if value != EMBEDDED and not (colon and host and port.isdigit() and int(port) < 65536):  # noqa: PLR2004 - the TCP limit
        raise ValueError("expected HOST:PORT, such as 127.0.0.1:7233")
    return value


def _server(value: str) -> str:
    """An address alone: a password in it would be printed wherever the address is."""
    parts = urlsplit(value)
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user or password: use prometheus_token_file")
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or parts.port == 0:
        raise ValueError("expected http(s)://HOST[:PORT][/PATH], such as http://prometheus.monitoring:9090")
    return value.rstrip("/")


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class Settings(BaseSettings):
    """Everything that can be set. Times are in seconds."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        frozen=True,
        extra="forbid",
        env_ignore_empty=True,
        str_strip_whitespace=True,
        hide_input_in_errors=True,  # a value that is refused may hold a password
    )

    kubeconfig: str | None = Field(
        default=None, description="path of a kubeconfig; unset: $KUBECONFIG, ~/.kube/config or the pod's own account"
    )
    context: str | None = Field(default=None, description="context of the kubeconfig; unset: its current one")
    namespaces: Names = Field(default=(), description="watch only these, comma-separated; empty: the whole cluster")
    protected_namespaces: Names = Field(
        default=("kube-system", "kube-public", "kube-node-lease", "prunella-system"),
        description="never repaired, whatever a policy says: a mistake there takes the cluster down, or us",
    )
    known_good_after: Seconds = Field(
        default=30.0,
        description="seconds a rollout must be stable before its template is remembered as one to roll back to",
    )
    api_timeout: Seconds = Field(
        default=10.0, description="seconds one Kubernetes API request may take; watches have limits of their own"
    )

    leader_election: bool = Field(
        default=False,
        description="of several operators let one act, which holds a Lease; without it run one operator only",
    )
    leader_lease_name: str = Field(default="prunella-operator", description="name of that Lease")
    leader_lease_namespace: str | None = Field(
        default=None, description="namespace of that Lease; unset: the pod's own, or that of the kubeconfig's context"
    )
    leader_lease_seconds: Annotated[int, Field(ge=3, le=60)] = Field(
        default=6,
        description="seconds after which another operator may act for one that says nothing more; "
        "who cannot renew the Lease stops after two thirds of it",
    )

    keep_healed_hours: Annotated[float, Field(ge=3)] = Field(
        default=168.0,
        description="hours for which an incident that needs nobody is kept after its end: Healed, Recovered, "
        "DryRunDone, Suppressed or Cancelled",
    )
    keep_escalated_hours: Annotated[float, Field(ge=3)] = Field(
        default=720.0, description="hours for which one that was handed to people is kept: Escalated or Failed"
    )
    keep_per_workload: Count = Field(
        default=20, description="ended incidents that are kept of one workload, the latest ones"
    )
    keep_incidents: Count = Field(
        default=2000,
        description="incidents that are kept in all, so that etcd does not fill; open ones are never deleted",
    )

    prometheus_url: Annotated[str, AfterValidator(_server)] | None = Field(
        default=None, description="address of Prometheus, or of what speaks its API; unset: metrics-server is asked"
    )
    prometheus_token_file: str | None = Field(
        default=None, description="file with a bearer token for Prometheus; read at each call, so it may be rotated"
    )
    prometheus_ca_file: str | None = Field(
        default=None, description="file with the authorities that Prometheus's certificate is checked against"
    )
    prometheus_timeout: Annotated[float, Field(gt=0, le=10)] = Field(
        default=5.0, description="seconds a query may take, at most 10; a slow answer is no answer"
    )

    temporal_address: Annotated[str, AfterValidator(_address)] = Field(
        default="127.0.0.1:7233", description="HOST:PORT of Temporal; `prunella run` also takes the word embedded"
    )
    temporal_namespace: str = Field(default="default", description="Temporal namespace of the workflows")
    temporal_api_key: SecretStr | None = Field(
        default=None, description="API key for Temporal Cloud or a server behind a key; turns TLS on"
    )
    temporal_tls: bool = Field(default=False, description="speak TLS to Temporal")
    payload_key_file: str | None = Field(
        default=None,
        description="file with the keys that encrypt what Temporal stores (AES-256, base64, one a line); the first one "
        "encrypts, all decrypt; read again when it changes. Operator and workers need the same",
    )
    temporal_port: Port = Field(default=7233, description="port of the embedded server")
    temporal_ui_port: Port = Field(default=8233, description="port of the embedded server's web page")
    temporal_ui_url: str | None = Field(
        default=None, description="where Temporal's web page is, for links; unset: the embedded server's"
    )
    trace_url: str | None = Field(
        default=None,
        description="page of a trace in your tracing backend, for links in messages; {trace_id} stands for its id",
    )
    dashboard_url: str | None = Field(
        default=None,
        description="page of a dashboard, for links in messages; {namespace} and {incident} stand for the incident's",
    )
    temporal_db: str = Field(
        default_factory=lambda: str(state_home() / "temporal.db"),
        description="SQLite file of the embedded server, so that open incidents survive a restart",
    )
    task_queue: str = Field(default="prunella", description="task queue that operator and workers share")
    sticky_timeout: Seconds = Field(
        default=5.0, description="seconds a workflow waits for the worker that has it cached after that worker died"
    )
    max_workflow_tasks: Count = Field(default=100, description="workflow tasks at once in one worker")
    max_activities: Count = Field(default=50, description="activities at once in one worker")
    pollers: Count = Field(default=5, description="open polls of each kind in one worker")

    http_host: str = Field(
        default_factory=lambda: "0.0.0.0" if in_cluster() else "127.0.0.1",  # noqa: S104 - the kubelet probes the pod's IP
        description="address of /healthz, /readyz and /metrics; outside a cluster only this machine is served",
    )
    http_port: Port = Field(default=8080, description="port of /healthz, /readyz and /metrics")
    console_port: Port = Field(
        default=8081, description="port of the web console of `prunella run` and `prunella console`; 0: no console"
    )
    console_anonymous: bool = Field(
        default=True,
        description="whether incidents can be read in the console without a token; answers always need one",
    )

    webhook_host: str = Field(
        default_factory=lambda: "0.0.0.0" if in_cluster() else "127.0.0.1",  # noqa: S104 - Alertmanager calls the pod's IP
        description="address of the webhook for alerts; without token file, client CA or `webhook_open` only loopback",
    )
    webhook_port: Port = Field(
        default=9095, description="port of the webhook for alerts, `/webhooks/alertmanager`; 0: no webhook"
    )
    webhook_token_file: str | None = Field(
        default=None,
        description="file with the bearer tokens that the webhook accepts, one a line; read again when it changes",
    )
    webhook_open: bool = Field(
        default=False, description="let everybody who reaches the webhook in; only where something else protects it"
    )
    webhook_tls_cert: str | None = Field(
        default=None, description="PEM file with the webhook's certificates; turns TLS on, read again when it changes"
    )
    webhook_tls_key: str | None = Field(default=None, description="PEM file with the key of that certificate")
    webhook_client_ca: str | None = Field(
        default=None, description="PEM file with the CA of the client certificates that the webhook then asks for"
    )
    webhook_max_body: Count = Field(default=1 << 20, description="bytes of the largest notification that is read")
    webhook_rate: Annotated[float, Field(gt=0)] = Field(default=50.0, description="notifications a second, on average")
    webhook_burst: Count = Field(default=200, description="notifications at once")
    alertmanager_url: Annotated[str, AfterValidator(_server)] | None = Field(
        default=None,
        description="where Alertmanager's API is, to silence an alert while it is repaired; unset: nothing is silenced",
    )
    alertmanager_token_file: str | None = Field(
        default=None, description="file with a bearer token for Alertmanager's API; read again when it changes"
    )
    alertmanager_ca_file: str | None = Field(
        default=None, description="PEM file with the CA of Alertmanager's certificate; unset: the system's"
    )

    log_format: Literal["auto", "json", "text"] = Field(
        default="auto", description="json, text, or auto: text on a terminal"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="the least that is logged"
    )

    @property
    def embedded(self) -> bool:
        """Whether a Temporal server of our own is wanted."""
        return self.temporal_address == EMBEDDED

    @property
    def temporal_target(self) -> str:
        """The HOST:PORT to connect to, also when the server is our own."""
        return f"127.0.0.1:{self.temporal_port}" if self.embedded else self.temporal_address

    def workflow_url(self, workflow_id: str, run_id: str = "") -> str:
        """Temporal's web page of a workflow, or "" when nobody told us where Temporal's pages are."""
        local = self.temporal_target.startswith(("127.0.0.1:", "localhost:"))
        base = self.temporal_ui_url or (f"http://127.0.0.1:{self.temporal_ui_port}" if local else "")
        path = "/".join(part for part in (workflow_id, run_id) if part)
        return f"{base.rstrip('/')}/namespaces/{self.temporal_namespace}/workflows/{path}" if base else ""

    @classmethod
    def load(cls, flags: Mapping[str, Any]) -> Self:
        """The settings of this process. Flags that were not given (None) do not count.

        Raises:
            pydantic.ValidationError: a value makes no sense.
        """
        return cls(**{name: value for name, value in flags.items() if value is not None})
