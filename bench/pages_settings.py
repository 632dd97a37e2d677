"""The portal's settings, with Django admin's plain changelist beside its pages."""

from pathlib import Path

from django.contrib import admin

from portal.settings import *  # noqa: F403 - all of them
from portal.settings import TEMPLATES

ROOT_URLCONF = "bench.pages_urls"
# The stock templates before those that the support desk puts over them.
TEMPLATES[0]["DIRS"].insert(0, Path(admin.__file__).parent / "templates")
