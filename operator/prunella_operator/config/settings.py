"""The settings: a frozen value.

Precedence, lowest first: the default, Temporal's own configuration, a `PRUNELLA_*` environment variable, a flag.
"""

import os
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from prunella_operator.config.environment import PREFIX, in_cluster, state_home
from prunella_operator.config.temporal_profile import profile_settings
from prunella_operator.config.values import EMBEDDED, Address, Count, Names, Port, Seconds, Share, Url


class Settings(BaseSettings):
    """All settings. Times are in seconds; a description states any other unit."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        frozen=True,
        extra="forbid",
        env_ignore_empty=True,
        str_strip_whitespace=True,
        hide_input_in_errors=True,  # a rejected value may contain a password
    )

    kubeconfig: str | None = Field(
        None, description="path of a kubeconfig; unset: $KUBECONFIG, ~/.kube/config or the pod's own account"
    )
    context: str | None = Field(None, description="context of the kubeconfig; unset: its current one")
    namespaces: Names = Field((), description="namespaces to watch, comma-separated; empty: the whole cluster")
    protected_namespaces: Names = Field(
        ("kube-system", "kube-public", "kube-node-lease", "prunella-system"),
        description="never repaired, regardless of policies: a mistake there could take down the cluster, "
        "or Prunella itself",
    )
    known_good_after: Seconds = Field(
        30.0, description="seconds for which most pods must be ready before their template is recorded as known good"
    )
    api_timeout: Seconds = Field(
        10.0, description="timeout of a Kubernetes API request, in seconds; watches have their own timeouts"
    )

    leader_election: bool = Field(
        default=False,
        description="elect one of several operators as leader, by a Lease; without it, run only one operator",
    )
    leader_lease_name: str = Field("prunella-operator", description="name of the Lease")
    leader_lease_namespace: str | None = Field(
        None, description="namespace of the Lease; unset: the pod's own, or that of the kubeconfig's context"
    )
    leader_lease_seconds: Annotated[int, Field(ge=3, le=60)] = Field(
        6,
        description="seconds without a renewal after which another operator may take over; "
        "a leader that cannot renew the Lease stops after two thirds of that",
    )

    keep_healed_hours: Annotated[float, Field(ge=3)] = Field(
        168.0,
        description="hours to keep a closed incident that was not escalated: Healed, Recovered, DryRunDone, Suppressed "
        "or Cancelled",
    )
    keep_escalated_hours: Annotated[float, Field(ge=3)] = Field(
        720.0, description="hours to keep an Escalated or Failed incident after it was closed"
    )
    keep_per_workload: Count = Field(20, description="number of closed incidents to keep per workload, the latest ones")
    keep_incidents: Count = Field(
        2000, description="number of incidents to keep in total, to limit etcd usage; open ones are never deleted"
    )

    aftermath_hours: Annotated[float, Field(ge=1, le=168)] = Field(
        24.0,
        description="hours after the end of an incident that was only observed in which a change by others counts as "
        "its aftermath",
    )

    record_bytes: Annotated[int, Field(ge=0, le=1 << 18)] = Field(
        1 << 16,
        description="maximum size of the facts of a diagnosis that Temporal keeps, for replays, in bytes; larger "
        "ones are not kept, and with 0 none are",
    )

    signing_key_file: str | None = Field(
        None,
        description="PEM file with an Ed25519 private key that signs the statements of `prunella incidents export`; "
        "unset: they are not signed",
    )

    prometheus_url: Url | None = Field(
        None, description="URL of Prometheus or a compatible API; unset: metrics-server is used"
    )
    prometheus_token_file: str | None = Field(
        None, description="file with a bearer token for Prometheus; read for each query, so it can be rotated"
    )
    prometheus_ca_file: str | None = Field(
        None, description="PEM file with the CA of Prometheus's certificate; unset: the system's"
    )
    prometheus_timeout: Annotated[float, Field(gt=0, le=10)] = Field(
        5.0, description="timeout of a query, in seconds, at most 10; a query that times out returns no data"
    )

    temporal_address: Address = Field(
        "127.0.0.1:7233", description="HOST:PORT of Temporal; `prunella run` accepts `embedded` too"
    )
    temporal_namespace: str = Field("default", description="Temporal namespace of the workflows")
    temporal_api_key: SecretStr | None = Field(
        None, description="API key for Temporal Cloud or a server that requires one; enables TLS"
    )
    temporal_tls: bool = Field(default=False, description="connect to Temporal with TLS")
    payload_key_file: str | None = Field(
        None,
        description="file with the keys that encrypt payloads in Temporal (AES-256, base64, one per line); the first "
        "one encrypts, all decrypt; reloaded on change. Operator and workers need the same keys",
    )
    temporal_port: Port = Field(7233, description="port of the embedded server")
    temporal_ui_port: Port = Field(8233, description="port of the embedded server's web UI")
    temporal_ui_url: str | None = Field(
        None, description="URL of Temporal's web UI, for links; unset: the embedded server's"
    )
    trace_url: str | None = Field(
        None, description="URL of a trace in your tracing backend, for links in messages; {trace_id} is replaced"
    )
    dashboard_url: str | None = Field(
        None, description="URL of a dashboard, for links in messages; {namespace} and {incident} are replaced"
    )
    console_url: Url | None = Field(
        None, description="URL at which people reach the web console, for links to an incident's page in messages"
    )
    temporal_db: str = Field(
        default_factory=lambda: str(state_home() / "temporal.db"),
        description="SQLite file of the embedded server; keeps open incidents across restarts",
    )
    task_queue: str = Field("prunella", description="Temporal task queue shared by operator and workers")
    sticky_timeout: Seconds = Field(
        5.0, description="seconds a workflow waits for the worker that has it cached before another worker takes it"
    )
    max_workflow_tasks: Count = Field(100, description="maximum concurrent workflow tasks per worker")
    max_activities: Count = Field(50, description="maximum concurrent activities per worker")
    worker_tuner: Literal["fixed", "resources"] = Field(
        "fixed",
        description="fixed: a worker takes up to max_workflow_tasks and max_activities; "
        "resources: fewer while memory or CPU is short",
    )
    worker_target_memory: Share = Field(
        0.8, description="share of the memory above which a worker with worker_tuner=resources takes less"
    )
    worker_target_cpu: Share = Field(
        0.9, description="share of the CPU above which a worker with worker_tuner=resources takes less"
    )
    pollers: Count = Field(5, description="concurrent polls of each task type per worker")

    http_host: str = Field(
        default_factory=lambda: "0.0.0.0" if in_cluster() else "127.0.0.1",  # noqa: S104 - the kubelet probes the pod's IP
        description="listen address of /healthz, /readyz and /metrics; outside a cluster only loopback",
    )
    http_port: Port = Field(8080, description="port of /healthz, /readyz and /metrics")
    console_port: Port = Field(
        8081, description="port of the web console of `prunella run` and `prunella console`; 0 disables it"
    )
    console_anonymous: bool = Field(
        default=True, description="allow reading incidents in the console without a token; actions always need one"
    )
    console_oidc_issuer: Url | None = Field(
        None,
        description="URL of the OpenID Connect provider at which people sign in to the console; the API server must "
        "accept its id tokens. Needs console_url, whose path /oidc/callback is the redirect URL",
    )
    console_oidc_client_id: str | None = Field(None, description="client id of the console at that provider")
    console_oidc_client_secret_file: str | None = Field(
        None, description="file with the secret of that client, read at each sign-in; unset: a public client"
    )
    console_oidc_scopes: Names = Field(
        ("openid", "email", "profile"), description="scopes of the sign-in, comma-separated; openid is one of them"
    )
    console_oidc_ca_file: str | None = Field(
        None, description="PEM file with the CA of the provider's certificate; unset: the system's"
    )
    link_key_file: str | None = Field(
        None,
        description="file with the keys that sign links to approve and to reject in messages, one per line, of at "
        "least 32 characters; the first one signs, all are accepted. Console and workers need the same keys, and "
        "console_url; unset: no such links",
    )
    link_hours: Annotated[float, Field(gt=0, le=168)] = Field(24.0, description="hours for which such a link is valid")

    codec_port: Port = Field(8082, description="port of `prunella codec-server`")
    codec_origins: Names = Field(
        (),
        description="origins of Temporal's web page that may call the codec server, comma-separated, such as "
        "https://temporal.example.org",
    )
    codec_token_file: str | None = Field(
        None, description="file with the bearer tokens that the codec server accepts, one per line; reloaded on change"
    )
    codec_oidc_issuer: Url | None = Field(
        None, description="URL of the OpenID issuer whose access tokens (JWT) the codec server accepts"
    )
    codec_oidc_audience: str | None = Field(None, description="audience that these access tokens must have")
    codec_encode: bool = Field(default=False, description="encrypt payloads at the codec server's /encode too")

    webhook_host: str = Field(
        default_factory=lambda: "0.0.0.0" if in_cluster() else "127.0.0.1",  # noqa: S104 - Alertmanager calls the pod's IP
        description="listen address of the alert webhook; loopback only without token file, client CA or webhook_open",
    )
    webhook_port: Port = Field(9095, description="port of the alert webhook, `/webhooks/alertmanager`; 0 disables it")
    webhook_token_file: str | None = Field(
        None, description="file with the bearer tokens that the webhook accepts, one per line; reloaded on change"
    )
    webhook_open: bool = Field(
        default=False,
        description="accept alerts without authentication; only where something else protects the webhook",
    )
    webhook_tls_cert: str | None = Field(
        None, description="PEM file with the webhook's certificate chain; enables TLS, reloaded on change"
    )
    webhook_tls_key: str | None = Field(None, description="PEM file with the private key of that certificate")
    webhook_client_ca: str | None = Field(
        None, description="PEM file with the CA of client certificates; makes the webhook require one"
    )
    webhook_max_body: Count = Field(1 << 20, description="maximum size of a webhook request, in bytes")
    webhook_rate: Annotated[float, Field(gt=0)] = Field(
        50.0, description="maximum webhook requests per second, on average"
    )
    webhook_burst: Count = Field(200, description="maximum burst of webhook requests")
    alertmanager_url: Url | None = Field(
        None, description="URL of Alertmanager's API, to silence alerts during repairs; unset: no silences"
    )
    alertmanager_token_file: str | None = Field(
        None, description="file with a bearer token for Alertmanager's API; reloaded on change"
    )
    alertmanager_ca_file: str | None = Field(
        None, description="PEM file with the CA of Alertmanager's certificate; unset: the system's"
    )

    telemetry_kafka: Names = Field(
        (), description="HOST:PORT of Kafka's brokers, comma-separated, for `prunella telemetry worker`"
    )
    telemetry_kafka_properties: str | None = Field(
        None, description="file of NAME=VALUE lines with librdkafka's properties, such as sasl.password"
    )
    telemetry_traces_topic: str = Field("otlp_spans", description="topic of OTLP traces")
    telemetry_metrics_topic: str = Field("otlp_metrics", description="topic of OTLP metrics")
    telemetry_logs_topic: str = Field("otlp_logs", description="topic of OTLP logs")
    telemetry_dead_topic: str = Field(
        "prunella.telemetry.dead", description="topic of records that cannot be read; compacted"
    )
    telemetry_database_url_file: str | None = Field(
        None,
        description="file with the URL of the telemetry database, postgresql://USER:PASSWORD@HOST/NAME; set it for the "
        "worker too, so that diagnosis and verification read it",
    )
    telemetry_shards: Count = Field(
        1, description="number of TelemetryPipeline workflows that share the partitions; the same for all workers"
    )
    telemetry_heartbeat: Annotated[float, Field(ge=10, le=300)] = Field(
        30.0, description="seconds without a heartbeat after which a step's worker is taken for dead"
    )
    telemetry_grafana_url: Url | None = Field(
        None, description="URL of Grafana, to annotate its dashboards with anomalies; unset: no annotations"
    )
    telemetry_grafana_token_file: str | None = Field(None, description="file with a token of a Grafana service account")

    log_format: Literal["auto", "json", "text"] = Field("auto", description="json, text, or auto: text on a terminal")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="minimum level that is logged")

    @property
    def embedded(self) -> bool:
        """True if this process starts a Temporal server."""
        return self.temporal_address == EMBEDDED

    @property
    def temporal_target(self) -> str:
        """The HOST:PORT to connect to, also of the embedded server."""
        return f"127.0.0.1:{self.temporal_port}" if self.embedded else self.temporal_address

    def workflow_url(self, workflow_id: str, run_id: str = "") -> str:
        """The URL of a workflow in Temporal's web UI, or "" when that is unknown."""
        local = self.temporal_target.startswith(("127.0.0.1:", "localhost:"))
        base = self.temporal_ui_url or (f"http://127.0.0.1:{self.temporal_ui_port}" if local else "")
        path = "/".join(part for part in (workflow_id, run_id) if part)
        return f"{base.rstrip('/')}/namespaces/{self.temporal_namespace}/workflows/{path}" if base else ""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The sources, highest first. Raises ProfileError for Temporal's own configuration."""
        return init_settings, env_settings, InitSettingsSource(settings_cls, profile_settings(os.environ))

    @classmethod
    def load(cls, flags: Mapping[str, Any]) -> Self:
        """The settings of this process; flags that are None do not count. Raises ValidationError or ProfileError."""
        return cls(**{name: value for name, value in flags.items() if value is not None})
