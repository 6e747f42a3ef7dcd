# A base with glibc and npm: the PostgreSQL that Weir brings does not run on Alpine.
ARG NODE_IMAGE=node:24-bookworm

FROM ${NODE_IMAGE} AS build
WORKDIR /weir
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-audit --no-fund
COPY . .
RUN npm run build && npm prune --omit=dev --no-audit --no-fund

FROM ${NODE_IMAGE}
RUN apt-get update \
    && apt-get install -y --no-install-recommends git openssh-client ca-certificates tini \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /weir
COPY --from=build /weir/package.json ./
COPY --from=build /weir/node_modules node_modules
COPY --from=build /weir/dist dist
# The image's ordinary user (1000): then PostgreSQL needs no user of its own.
RUN mkdir /data && chown node:node /data
USER node
ENV NODE_ENV=production WEIR_BIND=0.0.0.0 WEIR_DATA_DIR=/data
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.WEIR_PORT || 8080) + '/api/v1/health').then((a) => process.exit(a.ok ? 0 : 1), () => process.exit(1))"]
# tini reaps what steps leave behind; node and not npm, so that signals arrive once.
ENTRYPOINT ["tini", "--", "node", "dist/src/main.js"]
