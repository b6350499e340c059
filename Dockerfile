ARG BASE=python:3.12-slim
FROM ${BASE}

# An environment of its own: the same on images whose Python belongs to the distribution.
RUN python3 -m venv /opt/grouping
ENV PATH=/opt/grouping/bin:$PATH \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PYTHONUNBUFFERED=1 \
    MPLCONFIGDIR=/tmp/matplotlib

# The locked packages first: a change of the code does not install them again.
WORKDIR /src
COPY requirements/run.txt requirements/
RUN python -m pip install --require-hashes -r requirements/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY grouping grouping
RUN python -m pip install --no-build-isolation --no-deps .

# Streams are read and results written in /data: mount it, writable for this user.
RUN mkdir /data && chown 10001:10001 /data
WORKDIR /data
USER 10001:10001

ENTRYPOINT ["grouping"]
CMD ["--help"]
