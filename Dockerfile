# modeltrail with its server, from the lock files: hashes checked, nothing newer than what the tests ran with.
# PYTHON_IMAGE: any image with Python >= 3.11, venv and pip.
ARG PYTHON_IMAGE=python:3.12.11-slim

FROM ${PYTHON_IMAGE} AS build
# Behind a proxy that signs TLS itself: EXTRA_CA="$(cat ca.pem)". Only this stage sees it.
ARG EXTRA_CA=""
RUN if [ -n "$EXTRA_CA" ]; then printf '%s\n' "$EXTRA_CA" | cat /etc/ssl/certs/ca-certificates.crt - > /etc/pip-ca.pem \
 && printf '[global]\ncert = /etc/pip-ca.pem\n' > /etc/pip.conf; fi
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY requirements/build.lock requirements/server.lock requirements/
RUN python3 -m venv /opt/build && /opt/build/bin/pip install -q --no-deps --require-hashes -r requirements/build.lock \
 && python3 -m venv /opt/modeltrail && /opt/modeltrail/bin/pip install -q --no-deps --require-hashes -r requirements/server.lock
COPY . .
RUN /opt/build/bin/pip wheel -q --no-deps --no-build-isolation --wheel-dir /dist . \
 && /opt/modeltrail/bin/pip install -q --no-deps /dist/*.whl \
 && /opt/modeltrail/bin/pip check -q

FROM ${PYTHON_IMAGE}
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/modeltrail modeltrail
COPY --from=build /opt/modeltrail /opt/modeltrail
ENV PATH=/opt/modeltrail/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MODELTRAIL_HOME=/var/lib/modeltrail
USER modeltrail
WORKDIR /var/lib/modeltrail
VOLUME /var/lib/modeltrail
ENTRYPOINT ["modeltrail"]
CMD ["--help"]
