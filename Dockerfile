# The first stage has pip and the network, the second only what runs. The last stage is what is built when no
# target is named: one for GPUs, with a base of its own, belongs before it.
#
# The base is written out in every FROM, so that tools that move it forward find each. No stage names a
# platform: each is the one that is built for, and every dependency has wheels for amd64 and arm64.

FROM python:3.14.6-slim@sha256:b877e50bd90de10af8d82c57a022fc2e0dc731c5320d762a27986facfc3355c1 AS build

WORKDIR /build
COPY requirements.txt ./
# Only wheels, so that no compiler is needed; each is one of those that requirements.txt names by its hash.
RUN python -m venv --without-pip /opt/imagegen \
    && python -m pip --python /opt/imagegen/bin/python install --quiet --disable-pip-version-check \
        --no-cache-dir --no-compile --only-binary :all: --require-hashes -r requirements.txt
# What only developers of these packages use, and then bytecode: with a read-only root nothing could keep it,
# and every start would compile anew. It is not compared with its source, so that no tool that sets the
# files' times makes it stale.
RUN find /opt/imagegen/lib -depth -type d -name tests -exec rm -r '{}' + \
    && find /opt/imagegen/lib -type f '(' -name '*.pyi' -o -name '*.a' -o -name '*.h' -o -name '*.pxd' ')' -delete \
    && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/imagegen/lib

WORKDIR /app
COPY LICENSE ./
COPY imagegenservice ./imagegenservice
RUN python -m compileall -q --invalidation-mode unchecked-hash imagegenservice


FROM python:3.14.6-slim@sha256:b877e50bd90de10af8d82c57a022fc2e0dc731c5320d762a27986facfc3355c1 AS service

# The base comes without the standard library's bytecode, and with a pip that nothing needs any more.
RUN python -m pip uninstall --quiet --yes --root-user-action ignore pip \
    && rm -rf /usr/local/lib/python3.*/ensurepip \
    && python -m compileall -q -j 0 --invalidation-mode unchecked-hash \
        -x '/(idlelib|lib2to3|pydoc_data|site-packages|test|tkinter|turtledemo)/' /usr/local/lib/python3.* \
    && groupadd --gid 1000 imagegen \
    && useradd --uid 1000 --gid 1000 --no-create-home --home-dir /data --shell /usr/sbin/nologin imagegen \
    && install --directory --owner 1000 --group 1000 --mode 0750 /data

COPY --from=build /opt/imagegen /opt/imagegen
COPY --from=build /app /app

ENV PATH=/opt/imagegen/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MALLOC_ARENA_MAX=2 \
    DATA_DIR=/data

USER 1000:1000
WORKDIR /app
# gRPC, and HTTP: pictures, metrics, health.
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
# For runtimes that start containers by themselves; Kubernetes asks over gRPC instead.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-m", "imagegenservice.healthcheck"]
ENTRYPOINT ["python", "-m", "imagegenservice"]

# `make image` adds the revision.
LABEL org.opencontainers.image.title="imagegenerationservice" \
      org.opencontainers.image.description="Turns the cart of a shop into one picture of those very products." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.base.name="docker.io/library/python:3.14.6-slim"
