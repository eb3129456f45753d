# One image for every service: Node runs the sources as they stand. What a container runs is its first argument, such as
# services/cashier/src/main.ts. `npm run image` builds it; docs/operating.md says how it is run.
#
# NODE_IMAGE has Node 24 and npm, RUNTIME_IMAGE has Node 24 on its PATH and needs neither npm nor a shell. Pin both by digest for
# builds that can be repeated.
ARG NODE_IMAGE=docker.io/library/node:24-bookworm-slim
ARG RUNTIME_IMAGE=${NODE_IMAGE}

FROM ${NODE_IMAGE} AS dependencies
WORKDIR /app
COPY . .
# No install script runs, and nothing that only development needs is there.
RUN ["npm", "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--cache", "/tmp/npm"]

FROM ${RUNTIME_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="tillmesh" \
      org.opencontainers.image.description="A gRPC mesh that takes payments; one image for all of its services" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV NODE_ENV=production
WORKDIR /app
# Owned by root, so that the user below can change nothing of it, also where the root file system can be written.
COPY --from=dependencies /app /app
USER 65532:65532
ENTRYPOINT ["node"]
CMD ["services/cashier/src/main.ts"]
