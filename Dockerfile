# One image for every process: `run` (the scheduler), `daemon` (on every node), `webhook` and `webhook-certificate`.
#   docker build -t data-locality-scheduler:dev .
# The base is named by the digest of its index, which has amd64 and arm64 (dependabot keeps it current); another one with a
# Python 3.11 that has pip does as well: --build-arg PYTHON_IMAGE=registry/python:3.11-slim
ARG PYTHON_IMAGE=python:3.11-slim@sha256:db3ff2e1800a8581e2c48a27c3995339d47bdf046da21c7627accd3d51053a93

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

# What packages bring for their own tests, and annotations of compiled code, are never read here.
RUN find /opt/venv -depth -type d \( -name tests -o -name SelfTest \) -exec rm -r {} + \
    && find /opt/venv -name '*.pyi' -delete

# The base without what installs packages, or shows pictures and windows.
FROM ${PYTHON_IMAGE} AS base
RUN python -c 'import sysconfig; print(sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"))' > /tmp/paths \
    && for path in $(cat /tmp/paths) /usr/lib/python3/dist-packages /usr/share/python-wheels; do \
        rm -rf $path/pip $path/pip-* $path/setuptools* $path/wheel $path/wheel-* $path/pkg_resources $path/_distutils_hack \
            $path/ensurepip $path/idlelib $path/lib2to3 $path/tkinter $path/turtledemo $path/test $path/pip*.whl; \
    done \
    && rm -rf /tmp/paths /root/.cache /var/lib/apt/lists/* /var/cache/apt/* /usr/local/bin/pip* /usr/bin/pip* \
    && mkdir -p /opt/venv

# In one layer, so that nothing that was taken away is still there below.
FROM scratch
LABEL org.opencontainers.image.title="data-locality-scheduler" \
      org.opencontainers.image.description="Places each pod where its data lies or can be had soonest" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=base / /
# The same path as where it was made: console scripts carry their interpreter's path.
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# A number, so that runAsNonRoot can be checked without looking into the image.
USER 65532:65532
ENTRYPOINT ["data-locality-scheduler"]
CMD ["--help"]
