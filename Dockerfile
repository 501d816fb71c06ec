# Prunella's image: Debian's Python, the pinned packages and Prunella, put together by the same program that builds it
# without Docker (hack/image). It has no shell and no package manager; its root may be read-only.
FROM debian:bookworm-slim AS build
RUN apt-get update && apt-get install --yes --no-install-recommends python3 python3-pip ca-certificates
WORKDIR /src
COPY pyproject.toml README.md LICENSE NOTICE requirements.lock requirements-embedded.lock requirements-image.lock requirements-telemetry.lock ./
COPY crds crds
COPY operator operator
COPY workflows workflows
COPY hack/image hack/image
# requirements-embedded.lock makes the image of the quickstart, requirements-telemetry.lock that of the telemetry worker.
ARG LOCK=requirements-image.lock
RUN python3 hack/image --tree /tree --lock "$LOCK"

# The bill of materials alone: docker build --target sbom --output dist .
FROM scratch AS sbom
COPY --from=build /tree/app/prunella.cdx.json /

FROM scratch
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="prunella" \
      org.opencontainers.image.description="The self-healing operator for Kubernetes" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="debian:bookworm" \
      org.opencontainers.image.version="${VERSION}"
COPY --from=build /tree /
ENV HOME=/tmp \
    PATH=/app/bin:/usr/bin \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 65532:65532
ENTRYPOINT ["/app/bin/prunella"]
