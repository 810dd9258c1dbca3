# Two stages at one path: pip and the build backend stay behind in the first.
FROM python:3.12-slim AS build
WORKDIR /srv/nameplate
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv .venv
COPY requirements/ requirements/
# Wheels alone: nothing is compiled, and no package's build code runs.
RUN .venv/bin/pip install --require-hashes --only-binary :all: --requirement requirements/run.txt
# The build backend and what it needs, with the hashes that dev.txt pins, beside the venv and not in
# it.
RUN sed -nE '/^(hatchling|packaging|pathspec|pluggy|tomlkit|trove-classifiers)==/,/[^\\]$/p' \
        requirements/dev.txt > /tmp/build.txt \
    && .venv/bin/pip install --require-hashes --only-binary :all: \
        --target /tmp/build --requirement /tmp/build.txt
COPY pyproject.toml README.md LICENSE /tmp/source/
COPY app/ /tmp/source/app/
COPY migrations/ /tmp/source/migrations/
# The wheel carries the migrations.
RUN PYTHONPATH=/tmp/build .venv/bin/pip install --no-deps --no-build-isolation /tmp/source \
    && .venv/bin/pip check \
    && .venv/bin/nameplate --help > /dev/null \
    && .venv/bin/pip uninstall --yes --quiet pip

FROM python:3.12-slim AS service
RUN groupadd --system --gid 10001 nameplate \
    && useradd --system --uid 10001 --gid nameplate --no-create-home \
        --home-dir /srv/nameplate --shell /usr/sbin/nologin nameplate
COPY --from=build /srv/nameplate /srv/nameplate
WORKDIR /srv/nameplate
ENV PATH=/srv/nameplate/.venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
EXPOSE 8000
# The API's; turn it off where the command is another one.
HEALTHCHECK --interval=10s --timeout=5s --start-period=40s --retries=3 \
    CMD ["python", "-c", "import http.client; c = http.client.HTTPConnection('127.0.0.1', 8000, timeout=3); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["nameplate"]
CMD ["api", "--host", "0.0.0.0"]

# `docker build --target sandbox`: Cloudflare's stand-in, for development.
FROM service AS sandbox
COPY sandbox/ /srv/nameplate/sandbox/
ENV PYTHONPATH=/srv/nameplate
HEALTHCHECK NONE
CMD ["sandbox"]

# What is built where no target is named.
FROM service
