"""Adapters over a transport that answers from memory, inside a worker's scope."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from apps.providers.adapters import open_adapter
from apps.providers.guard import worker_scope
from tests.providers.canary import CANARY

Handler = Callable[[httpx2.Request], httpx2.Response]


def over_memory(provider: str, handler: Handler, **options: Any) -> Any:
    """An adapter whose requests ``handler`` answers."""
    chosen: dict[str, Any] = {
        "base_url": "https://remote.example",
        "credential": CANARY[provider],
        "remote_organization_id": "org-1",
        "deadline": 5.0,
        "answer_limit": 1 << 20,
        **options,
    }
    return open_adapter(provider, transport=httpx2.MockTransport(handler), **chosen)


@pytest.fixture
def worker() -> Iterator[None]:
    with worker_scope():
        yield


@pytest.fixture
def adapter_for(worker: None) -> Iterator[Callable[..., Any]]:
    """``adapter_for(provider, handler, **options)``: an adapter whose requests ``handler`` answers."""
    opened: list[Any] = []

    def make(provider: str, handler: Handler, **options: Any) -> Any:
        adapter = over_memory(provider, handler, **options)
        opened.append(adapter)
        return adapter

    yield make
    for adapter in opened:
        adapter.close()
