# syntax=docker/dockerfile:1
# Two images from one file: `operator` (the default) and `serving`, what runs beside the engine in its pods.
# BASE is what runs in production; pin it by digest: --build-arg BASE=docker.io/library/python@sha256:...
# BUILDER needs a shell and venv; it is a build argument of its own because a distroless BASE has neither. Both must have
# the same Python at the same path.
ARG BASE=docker.io/library/python:3.13-slim
ARG BUILDER=${BASE}

# The dependencies alone, so that an edit of the linter's configuration does not install them again.
FROM ${BUILDER} AS requirements
WORKDIR /requirements
COPY pyproject.toml ./
RUN ["python3", "-c", "import pathlib, tomllib; project = tomllib.loads(pathlib.Path('pyproject.toml').read_text())['project']; pathlib.Path('operator.txt').write_text('\\n'.join([*project['dependencies'], *project['optional-dependencies']['operator']]))"]

FROM ${BUILDER} AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python3 -m venv /build && /build/bin/pip install 'hatchling>=1.27,<2'
COPY --from=requirements /requirements/operator.txt /requirements/
RUN python3 -m venv --without-pip /opt/wharfage \
    && /build/bin/pip --python /opt/wharfage/bin/python install --requirement /requirements/operator.txt
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY crds crds
COPY autoscaler autoscaler
COPY operator operator
COPY serving serving
RUN /build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /build/bin/pip --python /opt/wharfage/bin/python install --no-deps /wheels/*.whl \
    && /build/bin/pip --python /opt/wharfage/bin/python install --no-deps --target /opt/serving /wheels/*.whl

# Standard library only; the engine's pods mount or copy what they need from here.
FROM ${BASE} AS serving
COPY --from=builder /opt/serving /opt/serving
ENV PYTHONPATH=/opt/serving PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT ["python3"]

FROM ${BASE} AS operator
COPY --from=builder /opt/wharfage /opt/wharfage
ENV PATH=/opt/wharfage/bin:/usr/local/bin:/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT ["/opt/wharfage/bin/wharfage-operator"]
