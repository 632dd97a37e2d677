"""Thin doors for workers."""

import time

from celery import shared_task
from django.conf import settings

from apps.members.search import index_people


@shared_task(name="walks.index_people")
def put_people_into_the_index() -> None:
    """Make the people whom walks brought findable, a bucket at a time, leaving others their turn."""
    while index_people():
        time.sleep(settings.SYNC_BUCKET_PAUSE_SECONDS)
