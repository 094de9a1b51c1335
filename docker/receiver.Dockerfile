# Build from the top of the repository: docker build -f docker/receiver.Dockerfile -t layercast-receiver .
FROM python:3.12.12-slim-bookworm AS build

# For an NVIDIA GPU: --build-arg TORCH_INDEX=https://pypi.org/simple
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/layercast
ENV PATH=/opt/layercast/bin:$PATH
# Before the sources: torch is large, and this layer stays in the cache when they change.
RUN pip install --index-url "$TORCH_INDEX" torch

WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY layercast_common layercast_common
COPY codec codec
COPY protocol protocol
COPY sender sender
COPY receiver receiver
COPY evaluation evaluation
COPY layercast layercast
RUN pip install '.[render,mqtt,webrtc]'

FROM python:3.12.12-slim-bookworm

RUN useradd --uid 10001 --create-home layercast \
    && mkdir -p /data/archive /data/cache \
    && chown -R layercast:layercast /data
COPY --from=build /opt/layercast /opt/layercast

ENV PATH=/opt/layercast/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    NUMBA_CACHE_DIR=/data/cache/numba \
    HF_HOME=/data/cache/huggingface \
    LAYERCAST_CACHE=/data/cache/layercast

USER 10001
WORKDIR /data
EXPOSE 8080 8765 8767
VOLUME ["/data/archive", "/data/cache"]

HEALTHCHECK --interval=10s --timeout=3s --start-period=300s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]

ENTRYPOINT ["layercast"]
CMD ["receive", "--listen", "ws://0.0.0.0:8765", "--viewer", "0.0.0.0:8080", "--archive", "/data/archive"]
