-- The telemetry database. Rows are sums over windows of 10 s that begin at ts; several rows of one series and window
-- add up, because each batch writes its own. No unique index guards them: the gate in telemetry_offset does.
-- "BY TIME" becomes PARTITION BY RANGE (ts) on plain PostgreSQL; on TimescaleDB these tables are hypertables.
-- buckets and counts: a histogram of durations; bucket b has those from 2^(b/8) ms up to, and without, 2^((b+1)/8) ms.

CREATE TABLE IF NOT EXISTS telemetry_red (
    ts timestamptz NOT NULL, batch text NOT NULL,
    namespace text NOT NULL, kind text NOT NULL, workload text NOT NULL, service text NOT NULL, op text NOT NULL,
    pod text NOT NULL, pod_uid text NOT NULL, node text NOT NULL, template text NOT NULL,
    n bigint NOT NULL, errors bigint NOT NULL, own_errors bigint NOT NULL, sum_ms double precision NOT NULL,
    buckets smallint[] NOT NULL, counts integer[] NOT NULL
) /* BY TIME */;
COMMENT ON TABLE telemetry_red IS 'Requests (server and consumer spans). own_errors: spans that failed without a failed child; of other kinds of spans only these are counted, with an empty op.';
CREATE INDEX IF NOT EXISTS telemetry_red_service ON telemetry_red (service, ts DESC);
CREATE INDEX IF NOT EXISTS telemetry_red_workload ON telemetry_red (namespace, workload, ts DESC);

CREATE TABLE IF NOT EXISTS telemetry_red_minute (
    ts timestamptz NOT NULL, shard integer NOT NULL,
    namespace text NOT NULL, kind text NOT NULL, workload text NOT NULL, service text NOT NULL, op text NOT NULL,
    template text NOT NULL,
    n bigint NOT NULL, errors bigint NOT NULL, own_errors bigint NOT NULL, sum_ms double precision NOT NULL,
    buckets smallint[] NOT NULL, counts integer[] NOT NULL,
    PRIMARY KEY (namespace, service, ts, kind, workload, op, template, shard)
) /* BY TIME */;
COMMENT ON TABLE telemetry_red_minute IS 'The sums of telemetry_red by minute, without pods; histograms are of all operations together, in rows with an empty op. Each batch adds to its minutes, in rows of its shard.';

CREATE TABLE IF NOT EXISTS telemetry_edge (
    ts timestamptz NOT NULL, batch text NOT NULL,
    caller_namespace text NOT NULL, caller_kind text NOT NULL, caller_workload text NOT NULL, caller text NOT NULL,
    callee_namespace text NOT NULL, callee_kind text NOT NULL, callee_workload text NOT NULL, callee text NOT NULL,
    caller_pod text NOT NULL, callee_pod text NOT NULL,
    n bigint NOT NULL, errors bigint NOT NULL, lost bigint NOT NULL, gap_ms double precision NOT NULL
) /* BY TIME */;
COMMENT ON TABLE telemetry_edge IS 'Calls between services. lost: no span of the callee came within a minute. gap_ms: sum of client minus server span.';
CREATE INDEX IF NOT EXISTS telemetry_edge_callee ON telemetry_edge (callee, ts DESC);
CREATE INDEX IF NOT EXISTS telemetry_edge_caller ON telemetry_edge (caller, ts DESC);

CREATE TABLE IF NOT EXISTS telemetry_point (
    ts timestamptz NOT NULL, batch text NOT NULL,
    namespace text NOT NULL, kind text NOT NULL, workload text NOT NULL, service text NOT NULL,
    pod text NOT NULL, pod_uid text NOT NULL, node text NOT NULL, template text NOT NULL,
    metric text NOT NULL,
    n bigint NOT NULL, total double precision NOT NULL, low double precision NOT NULL, high double precision NOT NULL
) /* BY TIME */;
COMMENT ON TABLE telemetry_point IS 'Metrics by pod: number of values, their sum, lowest and highest; of histograms count, sum, min and max.';
CREATE INDEX IF NOT EXISTS telemetry_point_metric ON telemetry_point (metric, namespace, workload, ts DESC);
CREATE INDEX IF NOT EXISTS telemetry_point_service ON telemetry_point (service, ts DESC);

CREATE TABLE IF NOT EXISTS telemetry_log (
    ts timestamptz NOT NULL, batch text NOT NULL,
    namespace text NOT NULL, kind text NOT NULL, workload text NOT NULL, service text NOT NULL,
    pod text NOT NULL, pod_uid text NOT NULL, node text NOT NULL, template text NOT NULL,
    severity text NOT NULL, pattern text NOT NULL,
    n bigint NOT NULL, sample text NOT NULL, trace_id text NOT NULL
) /* BY TIME */;
COMMENT ON TABLE telemetry_log IS 'Log records by severity and pattern: the text with ids and numbers masked. sample and trace_id are of one record.';
CREATE INDEX IF NOT EXISTS telemetry_log_service ON telemetry_log (service, ts DESC);

CREATE TABLE IF NOT EXISTS telemetry_exemplar (
    ts timestamptz NOT NULL, batch text NOT NULL,
    namespace text NOT NULL, kind text NOT NULL, workload text NOT NULL, service text NOT NULL, op text NOT NULL,
    pod text NOT NULL, trace_id text NOT NULL, failed boolean NOT NULL, ms double precision NOT NULL
) /* BY TIME */;
COMMENT ON TABLE telemetry_exemplar IS 'Traces to look at: up to three of each series and window that failed or were slowest.';
CREATE INDEX IF NOT EXISTS telemetry_exemplar_service ON telemetry_exemplar (service, ts DESC);

CREATE TABLE IF NOT EXISTS telemetry_batch (
    ts timestamptz NOT NULL, batch text NOT NULL, shard integer NOT NULL,
    items bigint NOT NULL, late bigint NOT NULL, skewed bigint NOT NULL, dead bigint NOT NULL, other bigint NOT NULL,
    bytes bigint NOT NULL, row_count bigint NOT NULL, lag_seconds double precision NOT NULL, seconds double precision NOT NULL,
    judged boolean NOT NULL
) /* BY TIME */;
COMMENT ON TABLE telemetry_batch IS 'One row per batch; ts: when it was stored. lag_seconds: age of the oldest record when stored; seconds: fetched until stored; other: items beyond the bound of series.';

CREATE TABLE IF NOT EXISTS telemetry_anomaly (
    fingerprint text NOT NULL, since timestamptz NOT NULL, until timestamptz, kind text NOT NULL,
    namespace text NOT NULL, workload_kind text NOT NULL, workload text NOT NULL, service text NOT NULL,
    origin text NOT NULL, critical boolean NOT NULL, body jsonb NOT NULL, updated timestamptz NOT NULL,
    PRIMARY KEY (fingerprint, since)
);
COMMENT ON TABLE telemetry_anomaly IS 'Anomalies. until: NULL while it lasts; origin: the service that causes it, empty: unknown; body: all facts.';
CREATE INDEX IF NOT EXISTS telemetry_anomaly_subject ON telemetry_anomaly (namespace, workload, since DESC);

CREATE TABLE IF NOT EXISTS telemetry_now (
    namespace text NOT NULL, kind text NOT NULL, workload text NOT NULL, service text NOT NULL,
    state text NOT NULL DEFAULT 'Learning', read_to timestamptz NOT NULL,
    requests bigint NOT NULL DEFAULT 0, error_share double precision NOT NULL DEFAULT 0,
    p95_ms double precision NOT NULL DEFAULT 0, error_baseline double precision, p95_baseline_ms double precision,
    origin text NOT NULL DEFAULT '', since timestamptz,
    PRIMARY KEY (namespace, workload, service)
);
COMMENT ON TABLE telemetry_now IS 'Services in the minute before read_to. state: Learning, Healthy, Anomalous, Critical or Silent.';

CREATE TABLE IF NOT EXISTS telemetry_offset (
    topic text NOT NULL, part integer NOT NULL, next bigint NOT NULL,
    record_bytes double precision NOT NULL DEFAULT 16384, updated timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, part)
);
COMMENT ON TABLE telemetry_offset IS 'The gate: a batch is stored only if next is where its range starts. record_bytes: size of a record, lately.';

CREATE TABLE IF NOT EXISTS telemetry_stage (
    batch text NOT NULL, name text NOT NULL, body bytea NOT NULL, created timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (batch, name)
);
COMMENT ON TABLE telemetry_stage IS 'Results of the steps of a batch until it is stored: Arrow, compressed with zstd.';

CREATE TABLE IF NOT EXISTS telemetry_state (
    shard integer NOT NULL, name text NOT NULL, body bytea NOT NULL, batch text NOT NULL,
    updated timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (shard, name)
);
COMMENT ON TABLE telemetry_state IS 'State of each shard from batch to batch: open spans, and what the detectors have learnt.';

CREATE TABLE IF NOT EXISTS telemetry_watermark (
    shard integer PRIMARY KEY, watermark timestamptz NOT NULL, updated timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE telemetry_watermark IS 'The time up to which the rows of a shard are complete, but for late ones.';
