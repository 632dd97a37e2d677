"""A cube more, of keys and models: made of the finest rollups of the days that are read already.

Weeks and months are summed up anew by the next walk; until then their days are read.
"""

from hashlib import blake2b
from typing import Any

from django.db import migrations

# As they are in ``tuples.py`` now.
COLUMNS = (
    "workspace",
    "key",
    "account",
    "service_account",
    "model",
    "service_tier",
    "context_window",
    "geo",
    "speed",
    "operation",
    "cost_type",
    "token_type",
    "description",
    "currency",
)
KEPT = frozenset({"workspace", "key", "model", "currency"})
FULL, GRAIN, ALL = 0, 10, "*"
SUMS = (
    "uncached_input",
    "cache_write_5m",
    "cache_write_1h",
    "cache_read",
    "unsplit_input",
    "output",
    "web_searches",
    "requests",
    "billed_micros",
    "billed_femtos",
    "shared_micros",
    "shared_femtos",
    "listed_micros",
    "listed_femtos",
)
CHUNK = 500


def make_cube(apps: Any, schema_editor: Any) -> None:
    """Dimensions first, then a day at a time: so no day's sums are held twice."""
    Dimension = apps.get_model("usage", "Dimension")
    Rollup = apps.get_model("usage", "Rollup")
    for owner in Rollup.objects.order_by().values_list("connection_id", flat=True).distinct():
        of_cube: dict[int, int] = _dimensions(Dimension, owner)
        mine = Rollup.objects.filter(connection_id=owner, grain=FULL)
        for day in mine.order_by("day").values_list("day", flat=True).distinct():
            sums: dict[int, list[Any]] = {}
            for one, *values in mine.filter(day=day).values_list("dimension_id", *SUMS):
                held = sums.setdefault(of_cube[one], [None] * len(SUMS))
                for at, value in enumerate(values):
                    if value is not None:
                        held[at] = (held[at] or 0) + value
            Rollup.objects.bulk_create(
                [
                    Rollup(
                        connection_id=owner,
                        grain=GRAIN,
                        day=day,
                        dimension_id=one,
                        **dict(zip(SUMS, values, strict=True)),
                    )
                    for one, values in sorted(sums.items())
                ],
                batch_size=CHUNK,
            )
    apps.get_model("usage", "Block").objects.update(made=False)


def _dimensions(model: Any, owner: int) -> dict[int, int]:
    """The cube's dimension of each of the finest ones; made if need be."""
    digests: dict[int, str] = {}
    made: dict[str, Any] = {}
    finest = model.objects.filter(connection_id=owner, grain=FULL)
    for pk, *values in finest.values_list("pk", *COLUMNS):
        told = {
            name: value if name in KEPT else ALL
            for name, value in zip(COLUMNS, values, strict=True)
        }
        row = "\x1f".join(told.values())
        digest = blake2b(row.encode(), digest_size=16).hexdigest()
        digests[pk] = digest
        made[digest] = model(connection_id=owner, grain=GRAIN, digest=digest, **told)
    model.objects.bulk_create(made.values(), ignore_conflicts=True, batch_size=CHUNK)
    known = model.objects.filter(connection_id=owner, grain=GRAIN)
    ids = dict(known.values_list("digest", "pk"))
    return {pk: ids[digest] for pk, digest in digests.items()}


def forget_cube(apps: Any, schema_editor: Any) -> None:
    """Back."""
    for name in ("Rollup", "BlockRollup"):
        apps.get_model("usage", name).objects.filter(grain=GRAIN).delete()
    apps.get_model("usage", "Dimension").objects.filter(grain=GRAIN).delete()


class Migration(migrations.Migration):
    dependencies = [("usage", "0010_hours")]
    operations = [migrations.RunPython(make_cube, forget_cube)]
