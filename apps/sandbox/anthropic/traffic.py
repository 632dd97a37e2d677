"""Who uses the Messages API, and how much on any day: computed when asked for, from the seed alone.

A stream is one source of requests: an API key, a person's Claude Code, a service account, the console.
Its day is a handful of shares, each with so many requests of a kind. Requests are spread over the
day's minutes by ``rhythm``; what a request costs in tokens is fixed for the day. What happens to keys,
people and workspaces ends or interrupts their streams at that minute.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from ..ids import digest
from ..world import DAY, Organization
from .prices import WITH_GEO, model_at
from .rhythm import MINUTES, ZONES, growth, mixed, season, spread
from .rows import ApiKey, Coder, coding_workspace, service_account

DIMENSIONS = (
    "api_key_id",
    "workspace_id",
    "model",
    "service_tier",
    "context_window",
    "inference_geo",
    "speed",
    "account_id",
    "service_account_id",
)
Dimensions = tuple[str | None, ...]
MOST_ROWS_KEPT = 150_000  # of days computed before
FOREVER = float("inf")
RUNAWAY_DAYS = (-23, -20)  # from the world's beginning; the key that loops without end


class Lane(NamedTuple):
    """One kind of request that a stream makes."""

    family: str
    tier: str
    context: str
    speed: str
    share: float
    incoming: int  # tokens a request, cached or not
    outgoing: int
    cached: float  # share of the incoming ones that the cache serves, once caching is used
    searches: int  # in 1,000 requests
    hours: tuple[str, int, int] | None = (
        None  # a further cost: kind, requests an hour, cents an hour
    )


class Stream(NamedTuple):
    """One source of requests. ``spans``: when it was alive, seconds since 1970."""

    api_key: str | None
    workspace: str | None
    account: str | None
    service_account: str | None
    geo: str
    chance: int
    zone: int
    people: bool
    volume: float  # requests of a usual weekday at the world's beginning
    lanes: tuple[Lane, ...]
    spans: tuple[tuple[float, float], ...]


class Share(NamedTuple):
    """A stream's requests of one kind on one day, between two minutes of it."""

    dimensions: Dimensions
    table: Sequence[int]
    phase: int
    requests: int
    tokens: tuple[int, int, int, int, int]  # a request, in the order of prices.TOKEN_TYPES
    searches: int
    hours: tuple[str, int, int] | None
    begins: int
    ends: int

    def between(self, begins: int, ends: int) -> tuple[int, int]:
        """The numbers of its first request in some minutes of the day and of the next one after."""
        begins, ends = max(begins, self.begins), min(ends, self.ends)
        if ends <= begins:
            return 0, 0
        total = self.table[MINUTES]
        return (
            (self.requests * self.table[begins] + self.phase) // total,
            (self.requests * self.table[ends] + self.phase) // total,
        )


CHAT = Lane("sonnet", "standard", "0-200k", "standard", 1.0, 3_400, 620, 0.45, 6)
SMALL = Lane("haiku", "standard", "0-200k", "standard", 1.0, 1_900, 240, 0.2, 0)
DEEP = Lane("opus", "standard", "0-200k", "standard", 1.0, 6_200, 1_450, 0.6, 12)
LONG = Lane("sonnet", "standard", "200k-1M", "standard", 1.0, 260_000, 2_100, 0.3, 0)
NIGHTLY = Lane("sonnet", "batch", "0-200k", "standard", 1.0, 5_100, 900, 0.0, 0)
CODE = Lane(
    "sonnet", "standard", "0-200k", "standard", 1.0, 4_000, 800, 0.3, 0, ("code_execution", 40, 5)
)
SESSION = Lane(
    "opus", "standard", "0-200k", "standard", 1.0, 9_000, 700, 0.7, 0, ("session_usage", 60, 8)
)
# What a stream may consist of, and for how many of ten.
MIXES: tuple[tuple[Lane, ...], ...] = (
    (CHAT,),
    (CHAT._replace(share=0.8), SMALL._replace(share=0.2)),
    (SMALL,),
    (DEEP._replace(share=0.6), CHAT._replace(share=0.4)),
    (NIGHTLY,),
    (CHAT._replace(share=0.97), LONG._replace(share=0.03)),
    (CODE._replace(share=0.5), SMALL._replace(share=0.5)),
    (CHAT._replace(tier="priority", share=0.7), CHAT._replace(share=0.3)),
    (SMALL._replace(share=0.9), DEEP._replace(share=0.1)),
    (DEEP._replace(speed="fast", share=0.15), DEEP._replace(share=0.85)),
)
CODING = (
    Lane("opus", "standard", "0-200k", "standard", 0.55, 34_000, 620, 0.93, 1),
    Lane("sonnet", "standard", "0-200k", "standard", 0.3, 29_000, 540, 0.93, 1),
    Lane("haiku", "standard", "0-200k", "standard", 0.15, 9_000, 160, 0.6, 0),
)


def shares_of(stream: Stream, day: int, first_day: int) -> Iterator[Share]:
    """What a stream did on a day (counted from 1970); ``first_day`` is the world's beginning."""
    begins_at = day * DAY
    spans = [span for span in stream.spans if span[0] < begins_at + DAY and span[1] > begins_at]
    if not spans:
        return
    days = day - first_day
    table, weight = spread(stream.zone, stream.people, (day + 3) % 7)
    bits = mixed(stream.chance, day)
    noise = 0.55 + (bits & 0xFFFF) / 72_818
    wanted = stream.volume * growth(days) * season(day, stream.people) * weight * noise
    size = 900 + (
        bits >> 16 & 0xFF
    )  # thousandths: requests of this day are a little longer or shorter
    lag = 1_000 if stream.chance % 17 == 3 else stream.chance % 53
    caches = days >= stream.chance % 210 - 330
    phase = (bits >> 24 & 0xFFFF) * table[MINUTES] >> 16
    for place, lane in enumerate(stream.lanes):
        requests = int(wanted * lane.share + (bits >> (40 + 4 * place) & 0xF) / 16)
        if not requests:
            continue
        model = model_at(lane.family, days, lag)
        dimensions = (
            stream.api_key,
            stream.workspace,
            model,
            lane.tier,
            lane.context,
            stream.geo if model in WITH_GEO else "not_available",
            lane.speed,
            stream.account,
            stream.service_account,
        )
        tokens = _tokens(lane, size, caches)
        for since, until in spans:
            yield Share(
                dimensions,
                table,
                phase,
                requests,
                tokens,
                lane.searches,
                lane.hours,
                max(0, int(since - begins_at) // 60),
                MINUTES if until >= begins_at + DAY else int(until - begins_at) // 60,
            )


def _tokens(lane: Lane, size: int, caches: bool) -> tuple[int, int, int, int, int]:
    incoming = lane.incoming * size // 1000
    read = int(incoming * lane.cached) if caches else 0
    written = read // 12
    an_hour = written // 4 if lane.family == "opus" else 0
    uncached = max(1, incoming - read - written)
    return uncached, read, written - an_hour, an_hour, lane.outgoing * size // 1000


class Traffic:
    """All streams of one organization, as its rows are now."""

    def __init__(self, organization: Organization, seed: str, epoch: int) -> None:
        self.organization, self.epoch = organization, epoch
        self.first_day = epoch // DAY
        self.seed = f"{seed} {organization.id}"
        self._versions: tuple[int, ...] = ()
        self._streams: list[Stream] = []
        self._days: OrderedDict[int, list[Share]] = OrderedDict()
        self._kept = 0

    def day(self, day: int) -> list[Share]:
        """Everything that happened on a UTC day, counted from 1970."""
        streams = self.streams()
        if day in self._days:
            self._days.move_to_end(day)
            return self._days[day]
        found = [one for stream in streams for one in shares_of(stream, day, self.first_day)]
        self._days[day] = found
        self._kept += len(found)
        while self._kept > MOST_ROWS_KEPT and len(self._days) > 1:
            self._kept -= len(self._days.popitem(last=False)[1])
        return found

    def streams(self) -> list[Stream]:
        """Every stream; made anew when a key, a person or a workspace has changed."""
        tables = self.organization.tables
        names = ("api_keys", "switches", "coders", "workspaces")
        versions = tuple(tables[name].version for name in names)
        if versions != self._versions:
            self._versions, self._kept = versions, 0
            self._days.clear()
            self._streams = [*self._keys(), *self._coders(), *self._others()]
        return self._streams

    def _chance(self, what: str) -> int:
        return int.from_bytes(digest(self.seed, "stream", what, size=8), "big")

    def _geo(self, workspace_id: str | None) -> str:
        found = self.organization.tables["workspaces"].get(workspace_id or "")
        return found.data_residency.default_inference_geo if found else "global"

    def _keys(self) -> Iterator[Stream]:
        """Two keys in three are used; the runaway one stands among those of the first dozen."""
        runaway = self.organization.settings["runaway_key"]
        workspace = coding_workspace(self.organization)
        coding = workspace.id if workspace else "none"
        for key in self.organization.tables["api_keys"]:
            chance = self._chance(key.id)
            used = chance % 3 != 2 or key.id == runaway or key.workspace_id == coding
            if not used:
                continue
            spans = self._spans_of_key(key)
            if not spans:
                continue
            people = chance >> 8 & 3 == 0
            stream = Stream(
                key.id,
                key.workspace_id,
                None,
                None,
                self._geo(key.workspace_id),
                chance,
                (chance >> 12) % len(ZONES),
                people,
                10 * 10 ** (2.3 * (chance >> 20 & 0xFFF) / 4096),
                MIXES[(chance >> 34) % len(MIXES)],
                spans,
            )
            yield stream
            if key.id == runaway:
                loop = (self.epoch + RUNAWAY_DAYS[0] * DAY, self.epoch + RUNAWAY_DAYS[1] * DAY)
                yield stream._replace(
                    chance=chance ^ 1, volume=26_000.0, people=False, lanes=(CHAT,), spans=(loop,)
                )

    def _spans_of_key(self, key: ApiKey) -> tuple[tuple[float, float], ...]:
        since = datetime.fromisoformat(key.created_at).timestamp()
        until = FOREVER
        if key.expires_at is not None:
            until = datetime.fromisoformat(key.expires_at).timestamp()
        spans = []
        switch = self.organization.tables["switches"].get(key.id)
        for off, on in switch.off if switch else ():
            spans.append((since, min(off, until)))
            since = FOREVER if on is None else on
        spans.append((since, until))
        return tuple(span for span in spans if span[0] < span[1])

    def _coders(self) -> Iterator[Stream]:
        """People's Claude Code that is paid by use; what a subscription covers is no traffic here."""
        for coder in self.organization.tables["coders"]:
            if coder.plan == "api":
                yield self.coding(coder)

    def coding(self, coder: Coder) -> Stream:
        """A person's Claude Code, whoever pays for it."""
        chance = self._chance(coder.id)
        workspace = coding_workspace(self.organization)
        until = FOREVER if coder.until is None else coder.until
        if coder.plan == "api" and workspace is not None and workspace.archived_at is not None:
            until = min(until, datetime.fromisoformat(workspace.archived_at).timestamp())
        return Stream(
            None,
            workspace.id if workspace else None,
            coder.id,
            None,
            "global",
            chance,
            (chance >> 12) % len(ZONES),
            True,
            18 * 10 ** ((chance >> 20 & 0xFFF) / 4096),
            CODING,
            ((coder.since, until),),
        )

    def _others(self) -> Iterator[Stream]:
        """The console itself, and service accounts, each in a workspace."""
        begin = float(self.epoch - 400 * DAY)
        yield Stream(
            None, None, None, None, "global", self._chance("console"), 3, True, 45.0,
            (CHAT._replace(share=0.7), DEEP._replace(share=0.3)), ((begin, FOREVER),),
        )  # fmt: skip
        homes = [one for one in self.organization.tables["workspaces"] if one.archived_at is None]
        for number in range(min(5, len(homes))):
            home, chance = homes[-1 - number], self._chance(f"service account {number}")
            yield Stream(
                None, home.id, None, service_account(self.organization, number),
                home.data_residency.default_inference_geo, chance, 2, False,
                120.0, (SESSION,), ((begin, FOREVER),),
            )  # fmt: skip
