"""Where a workspace's requests may run and where its data lies: columns, records and words."""

from django.utils.translation import gettext as _

from apps.providers.records.workspaces import Residency
from apps.workspaces.roles import rules_of

ANYWHERE = ""  # of ``allowed_geos``


def residency_columns(residency: Residency | None) -> tuple[str, str, str]:
    """``allowed_geos``, ``default_geo`` and ``storage_geo`` of a Workspace."""
    if residency is None:
        return "", "", ""
    allowed = ",".join(residency.allowed_geos or ())
    return allowed, residency.default_geo, residency.storage_geo


def residency_of(allowed_geos: str, default_geo: str, storage_geo: str = "") -> Residency:
    """The record that such columns stand for; ``storage_geo`` matters for new workspaces alone."""
    allowed = tuple(allowed_geos.split(",")) if allowed_geos else None
    return Residency(allowed, default_geo, storage_geo)


def in_words(provider: str, allowed_geos: str, default_geo: str) -> str:
    """ "Requests may run anywhere; unless they say where: Global."; "" if nothing is known."""
    if not default_geo:
        return ""
    default = rules_of(provider).geo_label(default_geo)
    if allowed_geos == ANYWHERE:
        return _("Requests may run anywhere; where they do not say: %(default)s.") % {
            "default": default
        }
    return _(
        "Requests may run in these places alone: %(allowed)s; where they do not say: %(default)s."
    ) % {
        "allowed": _labels(provider, allowed_geos),
        "default": default,
    }


def in_short(provider: str, allowed_geos: str, default_geo: str) -> str:
    """Where requests may run: "Global, United States"; "" if nothing is known."""
    if not default_geo:
        return ""
    if allowed_geos == ANYWHERE:
        return _("Anywhere")
    return _labels(provider, allowed_geos)


def _labels(provider: str, geos: str) -> str:
    return ", ".join(str(rules_of(provider).geo_label(geo)) for geo in geos.split(","))
