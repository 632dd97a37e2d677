"""A topic that exists in these tests alone."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from django.core.cache import cache

from apps.notices import sending, topics
from apps.notices.topics import Topic
from apps.organizations.policy import ADMINS


@pytest.fixture(autouse=True)
def weather() -> Iterator[Topic]:
    """Owners and admins hear of the weather."""
    topic = Topic("tests.weather", "Weather", ADMINS, "usage.read")
    before = dict(topics.TOPICS)
    topics.register(topic)
    cache.delete_many([sending.MAIL_RESTS, sending.SWEEPING])
    yield replace(topic)
    topics.TOPICS.clear()
    topics.TOPICS.update(before)
