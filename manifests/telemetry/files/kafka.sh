# Start one broker, whose number is that of its pod. The storage is formatted once.
set -eu
here=$(dirname "$0")
configuration=${TMPDIR:-/tmp}/broker.properties
{
  cat "$here/server.properties"
  echo "node.id=${POD_NAME##*-}"
  echo "listeners=PLAINTEXT://0.0.0.0:9092,CONTROLLER://0.0.0.0:9093"
  echo "advertised.listeners=PLAINTEXT://$POD_NAME.telemetry-kafka:9092,CONTROLLER://$POD_NAME.telemetry-kafka:9093"
  echo "log.dirs=$KAFKA_DATA"
} > "$configuration"
run() {
  exec java "-Xmx$KAFKA_HEAP" "-Xms$KAFKA_HEAP" -XX:+ExitOnOutOfMemoryError \
    "-Dlog4j2.configurationFile=$here/log4j2.yaml" -cp "$KAFKA_LIBS/*" "$@"
}
(run kafka.tools.StorageTool format --ignore-formatted --cluster-id cHJ1bmVsbGEtdGVsZW1ldA --config "$configuration")
run kafka.Kafka "$configuration"
