# fsrec in a container: `docker build -t fsrec .`, then
#
#   docker run --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges \
#     -v ./fsrec.yaml:/etc/fsrec/fsrec.yaml:ro -v fsrec:/var/lib/fsrec -v /srv/recordings:/var/lib/fsrec/recordings \
#     --group-add "$(stat -c %g /srv/recordings)" -e FSREC_ESL_PASSWORD -p 8080:8080 fsrec
#
# data_dir of its settings is /var/lib/fsrec/data, http.listen is 0.0.0.0:8080.

ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS build
WORKDIR /src
RUN python -m venv /opt/fsrec
# Apart from the sources, so that a change of these fetches nothing. Each package is the one whose hash is known.
COPY requirements/run.txt requirements/dev.txt requirements/
RUN /opt/fsrec/bin/python -m pip install --no-cache-dir --no-compile --require-hashes -r requirements/run.txt
COPY pyproject.toml README.md ./
COPY controller controller
RUN python -m venv /opt/build \
    && sed -n '/^setuptools==/,/^ *#/p' requirements/dev.txt > /tmp/setuptools.txt \
    && /opt/build/bin/python -m pip install --no-cache-dir --require-hashes -r /tmp/setuptools.txt \
    && /opt/build/bin/python -m pip wheel --no-deps --no-build-isolation --wheel-dir /tmp/wheel . \
    && /opt/fsrec/bin/python -m pip install --no-cache-dir --no-deps --no-index /tmp/wheel/*.whl \
    && /opt/fsrec/bin/python -m pip uninstall --yes setuptools pip

FROM python:${PYTHON}
COPY --from=build /opt/fsrec /opt/fsrec
# A number, so that whoever forbids root can see that it is none; the directories are what it may write.
RUN groupadd --gid 10001 fsrec \
    && useradd --uid 10001 --gid 10001 --home-dir /var/lib/fsrec --no-create-home --shell /usr/sbin/nologin fsrec \
    && install -d -o 10001 -g 10001 -m 0711 /var/lib/fsrec \
    && install -d -m 0755 /etc/fsrec
ENV PATH=/opt/fsrec/bin:/usr/local/bin:/usr/bin:/bin PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /var/lib/fsrec
USER 10001:10001
VOLUME /var/lib/fsrec
EXPOSE 8080
STOPSIGNAL SIGTERM
# Whether it lives, at whichever of its own addresses: a certificate is not for this name.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["fsrec", "alive", "--config", "/etc/fsrec/fsrec.yaml"]
ENTRYPOINT ["fsrec"]
CMD ["run", "--config", "/etc/fsrec/fsrec.yaml"]
