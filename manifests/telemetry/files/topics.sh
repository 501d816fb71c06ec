# Create the topics of the pipeline. Their partitions may be raised later, never lowered.
set -eu
create() {
  /opt/kafka/bin/kafka-topics.sh --bootstrap-server telemetry-kafka:9092 --create --if-not-exists \
    --replication-factor 3 --config min.insync.replicas=2 "$@"
}
for topic in otlp_spans otlp_metrics otlp_logs; do
  create --topic "$topic" --partitions 12 --config retention.ms=86400000
done
create --topic prunella.telemetry.dead --partitions 1 --config cleanup.policy=compact
