# Build from the top of the repository: docker build -f docker/sender.Dockerfile -t layercast-sender .
# A sender renders nothing and needs no torch.
FROM python:3.12.12-slim-bookworm AS build

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/layercast
ENV PATH=/opt/layercast/bin:$PATH

WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY layercast_common layercast_common
COPY codec codec
COPY protocol protocol
COPY sender sender
COPY receiver receiver
COPY evaluation evaluation
COPY layercast layercast
RUN pip install '.[mqtt,webrtc]'

FROM python:3.12.12-slim-bookworm

RUN useradd --uid 10001 --create-home layercast \
    && mkdir -p /data/cache /data/outbox \
    && chown -R layercast:layercast /data
COPY --from=build /opt/layercast /opt/layercast

ENV PATH=/opt/layercast/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    NUMBA_CACHE_DIR=/data/cache/numba

USER 10001
WORKDIR /data
VOLUME ["/data/cache", "/data/outbox"]

ENTRYPOINT ["layercast"]
CMD ["send", "/pictures", "--to", "ws://receiver:8765", "--loop"]
