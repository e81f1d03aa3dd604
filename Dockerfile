# The gateway with its console, and with nothing in it that builds. Its root can be read-only; state goes to /data.
#
#   docker build -t tollkeeper .
#   docker run --read-only --tmpfs /tmp -v tollkeeper:/data -p 3000:3000 -p 8080:8080 -p 50051:50051 \
#     -e TOLLKEEPER_MANAGEMENT_TOKEN -e TOLLKEEPER_ENCRYPTION_KEY tollkeeper
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY requirements.lock requirements-build.lock ./
# Two environments: what builds the wheel does not get into the image.
RUN python -m venv /opt/build && /opt/build/bin/pip install --require-hashes -r requirements-build.lock
RUN python -m venv /opt/tollkeeper && /opt/tollkeeper/bin/pip install --require-hashes -r requirements.lock
COPY webui webui
COPY clients/typescript clients/typescript
RUN python webui/build.py
COPY pyproject.toml setup.py README.md LICENSE ./
COPY clients/python clients/python
COPY server server
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation -w /wheel . \
    && /opt/tollkeeper/bin/pip install --no-deps /wheel/*.whl \
    && /opt/tollkeeper/bin/pip uninstall --yes pip
COPY deploy/healthcheck.py /opt/tollkeeper/healthcheck.py

FROM python:${PYTHON}-slim
RUN useradd --system --uid 10001 --user-group --home-dir /data --no-create-home --shell /usr/sbin/nologin tollkeeper \
    && install -d -o tollkeeper -g tollkeeper -m 0700 /data
COPY --from=build /opt/tollkeeper /opt/tollkeeper
ENV PATH=/opt/tollkeeper/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TOLLKEEPER_DATA_DIR=/data \
    TOLLKEEPER_DATA_ADDRESS=0.0.0.0:3000 \
    TOLLKEEPER_CONSOLE_ADDRESS=0.0.0.0:8080 \
    TOLLKEEPER_GRPC_ADDRESS=0.0.0.0:50051
USER tollkeeper
WORKDIR /data
VOLUME /data
EXPOSE 3000 8080 50051
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["python", "/opt/tollkeeper/healthcheck.py"]
ENTRYPOINT ["tollkeeper"]
CMD ["serve"]
