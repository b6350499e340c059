# The engine, the live service and the worker on Kafka. Any image with Python 3.11 to 3.13 can be the base; the one it
# is built in has the same Python and, for three times the speed, a C compiler.
ARG BUILD=python:3.12
ARG BASE=python:3.12-slim

FROM ${BUILD} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
WORKDIR /src
# The locked packages first: a change of the code does not install them again. What compiles stays out of the image.
COPY requirements/image.txt requirements/build.txt requirements/
RUN python3 -m venv /opt/grouping && /opt/grouping/bin/python -m pip install --require-hashes -r requirements/image.txt
RUN python3 -m venv /opt/build && /opt/build/bin/python -m pip install --require-hashes -r requirements/build.txt
COPY pyproject.toml setup.py README.md LICENSE ./
COPY grouping grouping
RUN /opt/build/bin/python -m pip wheel --no-build-isolation --no-deps --wheel-dir wheels . \
    && /opt/grouping/bin/python -m pip install --no-deps wheels/*.whl

FROM ${BASE}
COPY --from=build /opt/grouping /opt/grouping
# Nothing is written but to /data, and by matplotlib to /tmp when a report is drawn.
ENV PATH=/opt/grouping/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MPLCONFIGDIR=/tmp/matplotlib \
    GROUPING_STATE=/data/state
RUN mkdir /data && chown 10001:10001 /data
VOLUME /data
WORKDIR /data
USER 10001:10001
EXPOSE 8080

# It listens on the container's own loopback until GROUPING_LISTEN says otherwise: see compose.yaml.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=4)"]
ENTRYPOINT ["grouping"]
CMD ["serve"]
