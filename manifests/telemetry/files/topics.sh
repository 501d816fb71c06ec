# Create the topics of the pipeline, and allow each client what it is for. Partitions may be raised later, never lowered.
set -eu
umask 077
cat > /tmp/client.properties <<EOF
security.protocol=SASL_SSL
sasl.mechanism=SCRAM-SHA-512
sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username="admin" password="$KAFKA_PASSWORD";
ssl.truststore.type=PEM
ssl.truststore.location=/etc/telemetry-kafka/ca.crt
EOF
kafka() {
  what=$1
  shift
  "/opt/kafka/bin/kafka-$what.sh" --bootstrap-server telemetry-kafka:9092 --command-config /tmp/client.properties "$@"
}
create() {
  kafka topics --create --if-not-exists --replication-factor 3 --config min.insync.replicas=2 "$@"
}
allow() {
  user=$1
  shift
  kafka acls --add --allow-principal "User:$user" "$@"
}
for topic in otlp_spans otlp_metrics otlp_logs; do
  create --topic "$topic" --partitions 12 --config retention.ms=86400000
done
create --topic prunella.telemetry.dead --partitions 1 --config cleanup.policy=compact
signals="--topic otlp_spans --topic otlp_metrics --topic otlp_logs"
allow collector --operation Write $signals
allow prunella --operation Read $signals --group prunella-telemetry
allow prunella --operation Write --topic prunella.telemetry.dead
allow keda --operation Describe $signals --group prunella-telemetry
