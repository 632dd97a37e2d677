"""The Anthropic Admin API (contracts/anthropic-admin.openapi.yaml). Where to look:

- ``console.py``  who calls, rate limits, errors, id cursors
- ``users.py``, ``invites.py``, ``workspaces.py``, ``memberships.py``, ``keys.py``, ``limits.py``,
  ``usage.py``, ``costs.py``, ``claude_code.py``  one method per operationId, a
  module for each tag of the contract
- ``reports.py``  what the last three share: windows of time, buckets, opaque pages
- ``traffic.py``  who uses how much on any day (``rhythm.py``: when; ``prices.py``: what it costs)
- ``api.py``      the class that has them all
- ``rows.py``     the rows, tables and settings of an organization
- ``founding.py`` what of them the seeded world begins with
"""
