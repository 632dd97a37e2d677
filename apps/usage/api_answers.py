"""What may be asked of usage over the API, and the shape of its answers."""

from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.organizations.api_shapes import Moment, Shape
from apps.usage import coding_page
from apps.usage.coding_reads import CoderWork, Work
from apps.usage.coverage import Coverage, Hole, Left
from apps.usage.question import GROUPS, PRESETS, WIDTHS
from apps.usage.rows import Row

MOST_ROWS = 10_000  # of one answer
DEFAULT_ROWS = 1_000


# --- What may be asked ---------------------------------------------------------------------------


class _Asked(Shape):
    """A range, its periods, and which connections."""

    range = serializers.ChoiceField(
        list(PRESETS), required=False, help_text="Instead of from and to. Default: 30d."
    )
    to = serializers.DateField(required=False, help_text="The last UTC day, included.")
    connection = serializers.UUIDField(required=False, help_text="May be given several times.")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """ "from" is a word of Python's."""
        first = serializers.DateField(required=False, help_text="The first UTC day.")
        return {"from": first, **super().get_fields()}


class UsageAsked(_Asked):
    """What usage can be asked by. Every filter may be given several times."""

    by = serializers.ChoiceField(
        list(WIDTHS), required=False, help_text="A row for each period. Hours have no money."
    )
    group = serializers.ChoiceField(
        [name for name in GROUPS if name], required=False, help_text="Default: nothing, the total."
    )
    compare = serializers.BooleanField(
        required=False, help_text="The period before along, grouped the same."
    )
    limit = serializers.IntegerField(
        required=False, min_value=1, max_value=MOST_ROWS, help_text=f"Rows; default {DEFAULT_ROWS}."
    )
    offset = serializers.IntegerField(required=False, min_value=0)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Whatever can be grouped by is a filter too."""
        fields = super().get_fields()
        for name, label in GROUPS.items():
            if name and name not in fields:
                fields[name] = serializers.CharField(
                    required=False,
                    max_length=200,
                    help_text=f"{label}: the value as rows have it under group; ~ for the empty one.",
                )
        return fields


class CodingAsked(_Asked):
    """What Claude Code can be asked by."""

    by = serializers.ChoiceField(
        list(coding_page.CODING_WIDTHS), required=False, help_text="Periods along."
    )
    person = serializers.IntegerField(required=False, help_text="May be given several times.")


# --- Shapes --------------------------------------------------------------------------------------


@extend_schema_field({"type": "string", "format": "decimal"})
class Exact(serializers.Field[Any, Any, Any, Any]):
    """A decimal to its last digit, as a string."""

    def to_representation(self, value: Decimal) -> str:
        """Without an exponent, and without zeros at its end."""
        return f"{value.normalize():f}"


class FiguresSerializer(serializers.Serializer[Row]):
    """Sums. Money is in the row's currency, rows of several currencies are several rows."""

    currency = serializers.CharField()
    uncached_input = serializers.IntegerField()
    cache_write_5m = serializers.IntegerField()
    cache_write_1h = serializers.IntegerField()
    cache_read = serializers.IntegerField()
    unsplit_input = serializers.IntegerField(
        help_text="Input of which the provider does not say how much the cache served."
    )
    output = serializers.IntegerField()
    tokens = serializers.IntegerField(help_text="Input of all kinds and output.")
    web_searches = serializers.IntegerField()
    requests = serializers.IntegerField(allow_null=True, help_text="Null where nobody says.")
    cache_hit_rate = Exact(allow_null=True, help_text="0 to 1; null where it is not told.")
    cost = Exact(allow_null=True, help_text="Null by the hour: providers bill by the day.")
    billed = Exact(allow_null=True, help_text="What the provider put on exactly this group.")
    listed = Exact(allow_null=True, help_text="The list price; null where nobody tells it.")
    is_estimate = serializers.BooleanField(
        help_text="The cost was shared out by tokens, because nobody bills by this."
    )


class UsageRowSerializer(FiguresSerializer):
    """Sums of one group in one period."""

    period = serializers.CharField(
        allow_null=True,
        help_text="The first UTC day of a period; of an hour its beginning. Null without by.",
    )
    group = serializers.CharField(
        allow_null=True,
        help_text=(
            "The provider's value. Marks: - the provider says none, ? it was not told apart, and "
            "empty: this provider knows nothing of the kind. A person is an id of this portal."
        ),
    )
    name = serializers.CharField(allow_null=True, help_text="The group in words.")
    connection = serializers.UUIDField(
        allow_null=True, help_text="Where the value means something at one connection alone."
    )


class HoleSerializer(serializers.Serializer[Hole]):
    """UTC days that are not (wholly) in the sums."""

    connection = serializers.UUIDField(source="connection.uid")
    report = serializers.CharField()
    first = serializers.DateField()
    last = serializers.DateField()
    why = serializers.ChoiceField(["backfill", "paused", "unread"])


class LeftSerializer(serializers.Serializer[Left]):
    """Something that is left out of the sums, or of what they can be told apart by."""

    connection = serializers.UUIDField(source="connection.uid")
    report = serializers.CharField()
    dropped = serializers.ListField(child=serializers.CharField())
    refusal = serializers.CharField(allow_blank=True)
    unreadable = serializers.IntegerField()
    without_hours = serializers.BooleanField()
    cannot = serializers.CharField(allow_blank=True)


class CoverageSerializer(serializers.Serializer[Coverage]):
    """How fresh and how complete the sums are."""

    is_complete = serializers.BooleanField()
    as_of = Moment(allow_null=True, help_text="Everything before it was read.")
    read_at = Moment(allow_null=True)
    open_from = serializers.DateField(
        allow_null=True, help_text="Days from here on may still change."
    )
    holes = HoleSerializer(many=True)
    left = LeftSerializer(many=True)


class PreviousSerializer(serializers.Serializer[Any]):
    """The period before."""

    first = serializers.DateField()
    last = serializers.DateField()
    rows = UsageRowSerializer(many=True)
    totals = FiguresSerializer(many=True)
    coverage = CoverageSerializer()


class UsageSerializer(serializers.Serializer[Any]):
    """An answer. ``totals`` are of all rows, one for each currency."""

    first = serializers.DateField()
    last = serializers.DateField()
    by = serializers.CharField(allow_null=True)
    grouped_by = serializers.CharField(allow_null=True)
    count = serializers.IntegerField(
        help_text="Rows there are; offset and limit choose among them."
    )
    rows = UsageRowSerializer(many=True)
    totals = FiguresSerializer(many=True)
    previous = PreviousSerializer(allow_null=True)
    coverage = CoverageSerializer()
    not_included = serializers.ListField(child=serializers.CharField())
    sources = serializers.ListField(child=serializers.CharField())


class WorkSerializer(serializers.Serializer[Work]):
    """What was done with Claude Code. Money is the provider's estimate, in dollars, never what is billed."""

    sessions = serializers.IntegerField()
    lines_added = serializers.IntegerField()
    lines_removed = serializers.IntegerField()
    commits = serializers.IntegerField()
    pull_requests = serializers.IntegerField()
    accepted = serializers.IntegerField()
    rejected = serializers.IntegerField()
    acceptance = Exact(allow_null=True, help_text="0 to 1.")
    estimate = Exact()
    per_commit = Exact(allow_null=True)
    per_pull_request = Exact(allow_null=True)


class CoderSerializer(serializers.Serializer[CoderWork]):
    """One user of Claude Code: a person by address, or a key by its name."""

    person = serializers.IntegerField(source="person.pk", allow_null=True, default=None)
    email = serializers.CharField(allow_blank=True)
    key_name = serializers.CharField(allow_blank=True)
    days = serializers.IntegerField(help_text="On which they used it.")
    last = serializers.DateField(allow_null=True)
    work = WorkSerializer()


class PartSerializer(serializers.Serializer[Any]):
    """A terminal, a kind of customer: its sessions."""

    name = serializers.CharField()
    sessions = serializers.IntegerField()


class ToolSerializer(serializers.Serializer[Any]):
    """How many of a tool's proposals were taken."""

    name = serializers.CharField()
    accepted = serializers.IntegerField()
    rejected = serializers.IntegerField()


class AdoptionSerializer(serializers.Serializer[Any]):
    """People of one period."""

    period = serializers.DateField()
    active = serializers.IntegerField()
    new = serializers.IntegerField(help_text="For the first time.")
    ever = serializers.IntegerField(help_text="Until then.")


class CodingSerializer(serializers.Serializer[Any]):
    """Claude Code over a range."""

    first = serializers.DateField()
    last = serializers.DateField()
    people = serializers.IntegerField()
    keys = serializers.IntegerField()
    total = WorkSerializer()
    coders = CoderSerializer(many=True)
    terminals = PartSerializer(many=True)
    customers = PartSerializer(many=True)
    tools = ToolSerializer(many=True)
    periods = AdoptionSerializer(many=True, help_text="With by alone.")
    coverage = CoverageSerializer()
    not_included = serializers.ListField(child=serializers.CharField())
