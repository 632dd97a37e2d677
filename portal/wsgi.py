"""The web process's entry point."""

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

from portal.checks import stop_unless_ready
from portal.logs import watch_uncaught

stop_unless_ready()
application = get_wsgi_application()
watch_uncaught()
# What is imported stays: the collector need not go through it while somebody waits for a page.
gc.collect()
gc.freeze()
