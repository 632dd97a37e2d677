"""The Anthropic Admin API (contracts/anthropic-admin.openapi.yaml). Where to look:

- ``client.py``      the official SDK, set up and sent through our channel; errors; both ways of paging
- ``people.py``      organization, users, invites: one method per operationId, as in the modules below
- ``workspaces.py``  workspaces and their members
- ``keys.py``        API keys
- ``limits.py``      rate limits
- ``reports.py``     usage and cost
- ``coding.py``      Claude Code
- ``adapter.py``     all operations in one class, and the protocol that every provider's adapter speaks

The SDK carries the calls; our own typed structs read the answers, which is 25 times faster than its
models and survives what they do not. Only workers import this package: the SDK costs a second or two.
"""

from apps.providers.anthropic.slim import import_sdk

import_sdk()

from apps.providers.anthropic.adapter import AnthropicAdapter  # noqa: E402 - after the line above, or it imports all

__all__ = ["AnthropicAdapter"]
