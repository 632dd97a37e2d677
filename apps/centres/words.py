"""Rules in words."""

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.centres.models import Rule, RuleKind, Subject
from apps.centres.rules import Ruling

Words = str | Promise
SUBJECTS: dict[str, Words] = {
    Subject.KEY: gettext_lazy("API keys"),
    Subject.PERSON: gettext_lazy("People"),
    Subject.WORKSPACE: gettext_lazy("Workspaces"),
}
# What a form offers: subject and kind in one.
HOW: dict[str, Words] = {
    "person:domain": gettext_lazy("People whose address ends with a domain"),
    "workspace:begins": gettext_lazy("Workspaces whose name begins with"),
    "workspace:contains": gettext_lazy("Workspaces whose name contains"),
    "workspace:tag": gettext_lazy("Workspaces that have a tag"),
    "key:begins": gettext_lazy("API keys whose name begins with"),
    "key:contains": gettext_lazy("API keys whose name contains"),
    "person:list": gettext_lazy("These people"),
    "workspace:list": gettext_lazy("These workspaces"),
    "key:list": gettext_lazy("These API keys"),
}


def ruling(one: Ruling | Rule) -> str:
    """ "API keys whose name begins with “ml-”"."""
    if one.kind == RuleKind.LIST:
        number = len(one.items)
        return {
            Subject.KEY: ngettext("%(n)d API key by name", "%(n)d API keys by name", number),
            Subject.PERSON: ngettext("%(n)d person by name", "%(n)d people by name", number),
            Subject.WORKSPACE: ngettext(
                "%(n)d workspace by name", "%(n)d workspaces by name", number
            ),
        }[Subject(one.subject)] % {"n": number}
    text = f"@{one.text}" if one.kind == RuleKind.DOMAIN else one.text
    told = {
        "person:domain": _("People whose address ends with “%(text)s”"),
        "workspace:begins": _("Workspaces whose name begins with “%(text)s”"),
        "workspace:contains": _("Workspaces whose name contains “%(text)s”"),
        "workspace:tag": _("Workspaces that have the tag “%(text)s”"),
        "key:begins": _("API keys whose name begins with “%(text)s”"),
        "key:contains": _("API keys whose name contains “%(text)s”"),
    }
    return told[f"{one.subject}:{one.kind}"] % {"text": text}
