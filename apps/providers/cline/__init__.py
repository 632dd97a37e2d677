"""The Cline Enterprise API (contracts/cline-enterprise.openapi.yaml): a module for each resource.

The vendor publishes no schemas, so most shapes are inferred: lists may come as ``items``, as a bare
array or as the only array among the properties; any 2xx is a success unless it says
``success: false``; enumerations and further fields may be anything.
"""

from apps.providers.cline.adapter import ClineAdapter
from apps.providers.cline.personal import PersonalClineAdapter

__all__ = ["ClineAdapter", "PersonalClineAdapter"]
