# iiifserver as an image: docs/containers.md.
#   docker build -t iiifserver .                    serves, publishes, checks
#   docker build -t iiifserver --target cluster .   the same, with Dask
# Everything is pinned: the base by its full version, packages by hash, what viewers are made of by
# viewer/package-lock.json.

FROM python:3.11.14-slim-bookworm AS tools
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY deploy/requirements-build.lock /build/
RUN python -m venv /tools \
    && /tools/bin/pip install --require-hashes -r /build/requirements-build.lock

# The viewers, before the program: they are made anew only when they change.
FROM tools AS viewers
WORKDIR /source
COPY hatch_build.py ./
COPY viewer viewer
RUN /tools/bin/python hatch_build.py

# What the program needs, in a folder that all images have at the same place, without pip. What comes as
# source only is built with the pinned tools.
FROM tools AS program
COPY requirements.lock /build/
RUN python -m venv --without-pip /opt/iiifserver \
    && /tools/bin/pip wheel --no-deps --no-build-isolation --require-hashes --wheel-dir /wheels -r /build/requirements.lock \
    && /tools/bin/pip --python /opt/iiifserver/bin/python install --no-deps --no-index /wheels/*.whl
WORKDIR /source
COPY hatch_build.py pyproject.toml README.md LICENSE ./
COPY viewer viewer
COPY iiifserver iiifserver
COPY --from=viewers /source/iiifserver/web/static/viewers iiifserver/web/static/viewers
RUN /tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /build . \
    && /tools/bin/pip --python /opt/iiifserver/bin/python install --no-deps --no-index /build/iiifserver-*.whl

FROM program AS program-with-dask
COPY deploy/requirements-dask.lock /build/
RUN /tools/bin/pip --python /opt/iiifserver/bin/python install --no-deps --require-hashes -r /build/requirements-dask.lock

# Nothing of Debian's is added: it keeps no version that could be pinned for long. Without
# libturbojpeg0 turned tiles take a third longer, without libopenjp2-7 JPEG 2000 half as long again;
# docs/containers.md tells how to have them.
FROM python:3.11.14-slim-bookworm AS base
# the user's number is fixed: it owns what lies in volumes
RUN useradd --uid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin iiifserver \
    && install -d -o 10001 -g 10001 /data
ENV PATH=/opt/iiifserver/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 IIIFSERVER_DATA=/data
# the demo: what `iiifserver demo` takes if nothing else is said
WORKDIR /demo
COPY manifests manifests
COPY images images
# all that is written, besides /tmp; the rest of the image may be read-only
VOLUME /data
EXPOSE 8182
USER 10001:10001
ENTRYPOINT ["iiifserver"]
CMD ["demo", "--host", "0.0.0.0"]
# the first start of the demo cuts its pyramids before it answers
HEALTHCHECK --interval=15s --timeout=5s --start-period=300s --retries=3 \
    CMD ["python", "-IS", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8182/health', timeout=4)"]

FROM base AS cluster
COPY --from=program-with-dask /opt/iiifserver /opt/iiifserver

# the last one is what is built if no other is named
FROM base AS serve
COPY --from=program /opt/iiifserver /opt/iiifserver
