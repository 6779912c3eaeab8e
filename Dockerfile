# One image for every process: `run` (the scheduler), `daemon` (on every node), `webhook` and `webhook-certificate`.
#   docker build -t data-locality-scheduler:dev .
# The base can be pinned to a digest or taken from elsewhere: --build-arg PYTHON_IMAGE=python:3.11-slim@sha256:...
ARG PYTHON_IMAGE=python:3.11-slim

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src

# The environment that will run: the locked packages, each checked against its hash, and no package installer.
COPY requirements/base.txt requirements/build.txt requirements/
RUN python -m venv --without-pip /opt/venv \
    && python -m pip --python /opt/venv/bin/python install --require-hashes --only-binary :all: -r requirements/base.txt \
    && python -m pip install --require-hashes --only-binary :all: -r requirements/build.txt

# The project last: a change of code rebuilds nothing above.
COPY pyproject.toml README.md LICENSE ./
COPY scheduler scheduler
COPY daemon daemon
COPY webhook webhook
RUN python -m hatchling build -t wheel -d dist \
    && python -m pip --python /opt/venv/bin/python install --no-deps dist/*.whl

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="data-locality-scheduler" \
      org.opencontainers.image.licenses="Apache-2.0"
# The same path in both stages: console scripts carry their interpreter's path.
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# A number, so that runAsNonRoot can be checked without looking into the image.
USER 65532:65532
ENTRYPOINT ["data-locality-scheduler"]
CMD ["--help"]
