# Orgdesk's one image: web, workers, beat and every command run from it (compose.yaml).
# Building needs a package index; running needs nothing but PostgreSQL, Redis, mail and the providers.

FROM python:3.12-slim-trixie AS build
ENV UV_PYTHON_DOWNLOADS=never UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy \
    UV_PROJECT_ENVIRONMENT=/srv/orgdesk/.venv
# The version that wrote uv.lock (bin/install).
RUN pip install --no-cache-dir uv==0.13.9
WORKDIR /srv/orgdesk
# Packages first: they change more seldom than the code.
COPY pyproject.toml uv.lock ./
RUN uv sync --frozen --no-dev
COPY . .
# Static files are collected once, here; nothing is written into the image later.
RUN STATIC_ROOT=/srv/orgdesk/collected .venv/bin/python manage.py collectstatic --noinput --verbosity 0 \
    && .venv/bin/python -m compileall -q apps portal

FROM python:3.12-slim-trixie
# pg_dump and pg_restore, for `manage.py backup` and `manage.py restore`: version 17, which reads
# PostgreSQL 14 to 17.
RUN apt-get update \
    && apt-get install -y --no-install-recommends postgresql-client \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --system --gid 10001 orgdesk \
    && useradd --system --uid 10001 --gid orgdesk --no-create-home --home-dir /var/lib/orgdesk orgdesk \
    && install -d -o orgdesk -g orgdesk -m 0700 /var/lib/orgdesk
COPY --from=build /srv/orgdesk /srv/orgdesk
WORKDIR /srv/orgdesk
ENV PATH=/srv/orgdesk/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    MALLOC_ARENA_MAX=1 \
    ORGDESK_VAR=/var/lib/orgdesk STATIC_ROOT=/srv/orgdesk/collected
USER 10001:10001
VOLUME /var/lib/orgdesk
EXPOSE 8000
CMD ["granian", "--interface", "wsgi", "--host", "0.0.0.0", "--port", "8000", "--workers", "2", \
     "--blocking-threads", "4", "portal.wsgi:application"]
