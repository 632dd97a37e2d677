"""Claude Code: from a day's records into its tables. The report has no ids: people by address, keys by name."""

from collections.abc import Callable, Iterable
from datetime import datetime

from django.db import transaction

from apps.providers.records.reports import CodingDayRecord
from apps.usage import coding_rollups, ledger
from apps.usage.coding_rollups import METRICS
from apps.usage.models import (
    Coder,
    CodingDay,
    CodingModel,
    CodingTool,
    CodingTotal,
    Report,
)
from apps.usage.money import in_femtos, of_femtos

CHUNK = 500
Who = tuple[str, str]  # address, name of a key


def _who(record: CodingDayRecord) -> Who:
    return record.email.lower(), "" if record.email else record.key_name


class CodingRows:
    """The rows of one day, summed as their tables have them."""

    def __init__(self, connection_id: int, day: int, coders: dict[Who, int]) -> None:
        self.owner, self.day, self.coders = connection_id, day, coders
        self.days: dict[tuple[int, str, str], CodingDay] = {}
        self.models: dict[tuple[int, str, str], list[int]] = {}
        self.tools: dict[tuple[int, str], list[int]] = {}

    def take(self, record: CodingDayRecord) -> None:
        """Add a record."""
        coder = self.coders[_who(record)]
        place = (coder, record.terminal, record.customer_type)
        row = self.days.setdefault(
            place,
            CodingDay(
                connection_id=self.owner,
                day=self.day,
                coder_id=coder,
                terminal=record.terminal,
                customer_type=record.customer_type,
                subscription_type=record.subscription_type,
            ),
        )
        for name in METRICS:
            setattr(row, name, getattr(row, name) + getattr(record, name))
        for one in record.models:
            sums = self.models.setdefault((coder, one.model, one.currency[:10]), [0, 0, 0, 0, 0])
            counts = (one.uncached_input, one.cache_write, one.cache_read, one.output)
            for at, value in enumerate((*counts, in_femtos(one.estimated_cost))):
                sums[at] += value
        for action in record.tools:
            taken = self.tools.setdefault((coder, action.tool), [0, 0])
            taken[0] += action.accepted
            taken[1] += action.rejected

    def save(self, people: int, keys: int) -> None:
        """Write them in the place of the day's. In a transaction."""
        mine = {"connection_id": self.owner, "day": self.day}
        for model in (CodingDay, CodingModel, CodingTool, CodingTotal):
            model._default_manager.filter(**mine).delete()
        CodingDay.objects.bulk_create(self.days.values(), batch_size=CHUNK)
        CodingModel.objects.bulk_create(map(self._model, self.models), batch_size=CHUNK)
        CodingTool.objects.bulk_create(map(self._tool, self.tools), batch_size=CHUNK)
        if not self.days:
            return
        micros, femtos = of_femtos(sum(sums[4] for sums in self.models.values()))
        CodingTotal.objects.create(
            **mine,
            people=people,
            keys=keys,
            **{name: sum(getattr(row, name) for row in self.days.values()) for name in METRICS},
            accepted=sum(taken[0] for taken in self.tools.values()),
            rejected=sum(taken[1] for taken in self.tools.values()),
            estimate_micros=micros,
            estimate_femtos=femtos,
        )

    def _model(self, place: tuple[int, str, str]) -> CodingModel:
        coder, model, currency = place
        uncached, write, read, output, estimate = self.models[place]
        micros, femtos = of_femtos(estimate)
        return CodingModel(
            connection_id=self.owner,
            day=self.day,
            coder_id=coder,
            model=model,
            currency=currency,
            uncached_input=uncached,
            cache_write=write,
            cache_read=read,
            output=output,
            estimate_micros=micros,
            estimate_femtos=femtos,
        )

    def _tool(self, place: tuple[int, str]) -> CodingTool:
        accepted, rejected = self.tools[place]
        return CodingTool(
            connection_id=self.owner,
            day=self.day,
            coder_id=place[0],
            tool=place[1],
            accepted=accepted,
            rejected=rejected,
        )


def coders_of(connection_id: int, whos: Iterable[Who]) -> dict[Who, int]:
    """The id of each, made if need be. In a transaction."""
    wanted = sorted(set(whos))
    Coder.objects.bulk_create(
        [Coder(connection_id=connection_id, email=email, key_name=name) for email, name in wanted],
        ignore_conflicts=True,
        batch_size=CHUNK,
    )
    found: dict[Who, int] = {}
    for at in range(0, len(wanted), CHUNK):
        emails = {email for email, _ in wanted[at : at + CHUNK]}
        rows = Coder.objects.filter(connection_id=connection_id, email__in=emails)
        found.update(
            ((email, name), pk) for pk, email, name in rows.values_list("pk", "email", "key_name")
        )
    return found


def write(
    report: Report,
    hold: Callable[[], None],
    day: int,
    records: dict[str, CodingDayRecord],
    unreadable: int,
    now: datetime,
) -> int:
    """Exchange one day; the number of its records."""
    whos = {_who(record) for record in records.values()}
    with transaction.atomic(durable=True):
        hold()
        rows = CodingRows(report.connection_id, day, coders_of(report.connection_id, whos))
        for record in records.values():
            rows.take(record)
        before = coding_rollups.of_day(report.connection_id, day)
        rows.save(sum(bool(email) for email, _ in whos), sum(not email for email, _ in whos))
        coding_rollups.exchange(report.connection_id, day, before)
        unreadable += sum(bool(record.missing) for record in records.values())
        ledger.mark(report, day, now, rows=len(records), unreadable=unreadable, dropped=())
    return len(records)
