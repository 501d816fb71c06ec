# Start one broker, whose number is that of its pod. The storage is formatted once, with the accounts of clients: each is
# a file in KAFKA_USERS, with the password. No password stands on a command line, which all processes can read.
set -eu
umask 077
here=$(dirname "$0")
temporary=${TMPDIR:-/tmp}
configuration=$temporary/broker.properties
host=$POD_NAME.telemetry-kafka.$POD_NAMESPACE.svc
cat "$KAFKA_TLS/tls.key" "$KAFKA_TLS/tls.crt" > "$temporary/broker.pem"
{
  cat "$here/server.properties"
  echo "node.id=${POD_NAME##*-}"
  echo "listeners=CLIENTS://0.0.0.0:9092,CONTROLLERS://0.0.0.0:9093,BROKERS://0.0.0.0:9094"
  echo "advertised.listeners=CLIENTS://$host:9092,CONTROLLERS://$host:9093,BROKERS://$host:9094"
  echo "ssl.keystore.location=$temporary/broker.pem"
  echo "ssl.truststore.location=$KAFKA_TLS/ca.crt"
  echo "log.dirs=$KAFKA_DATA"
} > "$configuration"
# For commands that people run in this pod, on port 9094.
cat > "$(dirname "$KAFKA_DATA")/client.properties" <<EOF
security.protocol=SSL
ssl.keystore.type=PEM
ssl.keystore.location=$temporary/broker.pem
ssl.truststore.type=PEM
ssl.truststore.location=$KAFKA_TLS/ca.crt
EOF
run() {
  exec java "-Xmx$KAFKA_HEAP" "-Xms$KAFKA_HEAP" -XX:+ExitOnOutOfMemoryError \
    "-Dlog4j2.configurationFile=$here/log4j2.yaml" -cp "$KAFKA_LIBS/*" "$@"
}
if [ ! -e "$KAFKA_DATA/meta.properties" ]; then
  accounts=$temporary/accounts
  for file in "$KAFKA_USERS"/*; do
    printf '%s\n' --add-scram "SCRAM-SHA-512=[name=${file##*/},password=$(cat "$file")]"
  done > "$accounts"
  (run kafka.tools.StorageTool format --cluster-id cHJ1bmVsbGEtdGVsZW1ldA --config "$configuration" "@$accounts")
  rm "$accounts"
fi
run kafka.Kafka "$configuration"
