# The server in a container: docs/deployment.md says how to build and run it.

# What runs: the locked packages, in a virtual environment that the last stage takes over as it is.
FROM python:3.11-slim AS packages
WORKDIR /src
# Any version of strip will do, and Debian keeps but one.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends binutils \
 && rm -rf /var/lib/apt/lists/*
COPY requirements.lock ./
RUN python -m venv --without-pip /opt/owncast-py \
 && python -m pip --python /opt/owncast-py/bin/python install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY ingest ./ingest
COPY owncast_py ./owncast_py
COPY transcoder ./transcoder
COPY web ./web
COPY static/hatch_pages.py ./static/
# The pages' types are made from the description of the API.
RUN python -m pip --python /opt/owncast-py/bin/python install --no-index --no-deps --no-build-isolation -e . \
 && /opt/owncast-py/bin/owncast-py openapi > static/openapi.json

FROM node:20-slim AS pages
WORKDIR /src/static
COPY static/package.json static/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY static ./
COPY --from=packages /src/static/openapi.json ./
RUN npm run --silent build

FROM packages AS wheel
COPY --from=pages /src/static/dist ./static/dist
RUN /opt/owncast-py/bin/python -m hatchling build -t wheel -d /tmp/wheel \
 && python -m pip --python /opt/owncast-py/bin/python install --no-cache-dir --no-index --no-deps /tmp/wheel/*.whl
# What only the build needed, symbols for debuggers, and the descriptions of every service of Amazon's but S3.
RUN python -m pip --python /opt/owncast-py/bin/python uninstall -q -y hatchling pathspec pluggy trove-classifiers \
 && find /opt/owncast-py/lib -name '*.so*' -type f -not -path '*.libs/*' -exec strip --strip-unneeded {} + \
 && find /opt/owncast-py/lib/python3.11/site-packages/botocore/data -mindepth 1 -maxdepth 1 -type d -not -name 's3*' -not -name 'sts' -exec rm -r {} +

FROM python:3.11-slim
LABEL org.opencontainers.image.title="owncast-py" \
      org.opencontainers.image.description="Self-hosted live streaming: RTMP in, low-latency HLS and chat out." \
      org.opencontainers.image.licenses="MIT"
RUN install -d -o 10001 -g 10001 -m 0700 /data
COPY --from=wheel /opt/owncast-py /opt/owncast-py
ENV PATH=/opt/owncast-py/bin:$PATH \
    HOME=/data \
    PYTHONDONTWRITEBYTECODE=1 \
    OWNCAST_DATA_DIR=/data \
    OWNCAST_HTTP_HOST=0.0.0.0 \
    OWNCAST_HTTP_PORT=8080 \
    OWNCAST_RTMP_HOST=0.0.0.0 \
    OWNCAST_RTMP_PORT=1935 \
    OWNCAST_LOG_FORMAT=json
# A number, so that an orchestrator sees that it is not root; nobody else on the machine is likely to have it.
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8080 1935
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["owncast-py", "health"]
ENTRYPOINT ["owncast-py"]
CMD ["serve"]
