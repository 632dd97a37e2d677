"""Use: ledgers of calls, sums by day, the organization's summary.

Where the contract is silent: without dates a range is the last 30 days; it has 400 days at most. A
member's use begins the day after they joined and ends when they leave; it stays listed after that.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from typing import Any

import msgspec

from ..app import Answer, Call, Refusal, operation
from ..ids import digest, ulid
from ..world import Account, Member, Organization, World, micros_stamp
from .access import MAX_PAGE, RANKS, Access, malformed, rank, success
from .ledger import DAY, PROFILES, Stream, Sum, Use, day_of, iso, number_of

LONGEST_RANGE, LONGEST_DAILY = 400, 31


def founded(world: World) -> int:
    return world.epoch // DAY


def stream_of(organization: Organization, member: Member) -> Stream:
    """A member's use; of one who has left, until then."""
    still = organization.tables["members"].get(member.member_id) is not None
    profile = organization.tables["members"].place(member.member_id) % PROFILES
    until = None if still else moment(member.updated_at)
    return Stream(profile, day_of(member.created_at) + 1, until)


def own_stream(world: World, account: Account) -> Stream:
    """A person's private use."""
    profile = int.from_bytes(digest(world.seed, "own use", account.id, size=2)) % PROFILES
    return Stream(profile, day_of(account.created_at) + 1)


def moment(stamp: str) -> float:
    return day_of(stamp) * DAY + sum(
        float(part) * unit
        for part, unit in zip(stamp[11:].rstrip("Z").split(":"), (3600, 60, 1), strict=True)
    )


class Groups:
    """An organization's people by profile, so that a day is quickly summed."""

    def __init__(self, organization: Organization) -> None:
        members, left = organization.tables["members"], organization.tables["left"]
        self.version = (members.version, left.version)
        self.firsts: dict[int, dict[int, int]] = {}
        for member in members:
            profile = members.place(member.member_id) % PROFILES
            days = self.firsts.setdefault(profile, {})
            first = day_of(member.created_at) + 1
            days[first] = days.get(first, 0) + 1
        self.left = [stream_of(organization, member) for member in left]

    def day(self, world: World, day: int, now: float) -> Iterator[tuple[int, Sum]]:
        """How many people did what on that day."""
        for profile, firsts in self.firsts.items():
            people = sum(count for first, count in firsts.items() if first <= day)
            if people:
                for one in Stream(profile, 0).day(world.seed, founded(world), day, now):
                    yield people, one
        for stream in self.left:
            for one in stream.day(world.seed, founded(world), day, now):
                yield 1, one


class Books:
    """Groups and past days' charges of each organization, kept while nothing changes."""

    def __init__(self) -> None:
        self._groups: dict[str, Groups] = {}
        self._charged: dict[tuple[str, int], int] = {}
        self._world: World | None = None

    def groups(self, world: World, organization: Organization) -> Groups:
        if self._world is not world:
            self._world = world
            self._groups.clear()
            self._charged.clear()
        tables = organization.tables
        known = self._groups.get(organization.id)
        if known is None or known.version != (tables["members"].version, tables["left"].version):
            known = self._groups[organization.id] = Groups(organization)
        return known

    def charged(self, world: World, owner: Organization, day: int, now: float) -> int:
        """Millionths of a dollar that went off the balance on that day, as far as it has come."""
        if owner.api == "personal":
            account = world.accounts.get(owner.id)
            own = own_stream(world, account) if account else None
            found = own.day(world.seed, founded(world), day, now) if own else ()
            return sum(one.credits for one in found)
        groups = self.groups(world, owner)
        # Who comes or goes today changes nothing of the days before.
        key = (owner.id, day)
        if key in self._charged and (day + 1) * DAY <= now:
            return self._charged[key]
        total = sum(people * one.credits for people, one in groups.day(world, day, now))
        if (day + 1) * DAY <= now:
            self._charged[key] = total
        return total


def row(one: Sum) -> dict[str, Any]:
    """The fields that every sum has on the wire."""
    return {
        "operation": one.operation,
        "aiModelTypeName": one.model.family if one.model else "search",
        "aiModelName": one.model.name if one.model else "web-search",
        "promptTokens": one.prompt,
        "completionTokens": one.completion,
        "costUsd": one.cost,
    }


def write_offset(offset: int) -> str:
    return urlsafe_b64encode(msgspec.json.encode({"offset": offset})).rstrip(b"=").decode()


def read_offset(text: str) -> int:
    if not text:
        return 0
    try:
        offset = msgspec.json.decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)))["offset"]
    except (ValueError, TypeError, KeyError):
        raise malformed("invalid cursor") from None
    if not isinstance(offset, int) or offset < 0:
        raise malformed("invalid cursor")
    return offset


def limit_in(call: Call) -> int:
    text = call.query.get("limit", str(MAX_PAGE))
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise malformed()
    return min(int(text), MAX_PAGE)


class Usage(Access):
    """What was used."""

    books: Books

    def __init__(self, fast_pages: int = 25) -> None:
        super().__init__(fast_pages)
        self.books = Books()

    def _slowly(self, call: Call, what: str) -> None:
        if not self.pages.take(f"{self._account(call).id} {what}"):
            raise Refusal(429, "rate limit exceeded", headers={"Retry-After": "1"})

    def _page(self, call: Call, rows: Iterator[Any], total: int) -> dict[str, Any]:
        """One page of a list whose cursor is an offset, as the recorded one is."""
        limit, offset = limit_in(call), read_offset(call.query.get("cursor", ""))
        offset = max(0, offset - call.overlap)
        found = [
            one for place, one in zip(range(offset + limit), rows, strict=False) if place >= offset
        ]
        more = offset + len(found) < total
        token = write_offset(offset + len(found)) if more and found else ""
        return {"items": found, "nextToken": token, "total": total}

    def _ledger(
        self, call: Call, stream: Stream, owner: str, more: dict[str, Any]
    ) -> dict[str, Any]:
        self._slowly(call, "usages")
        world = call.state.world
        total = stream.calls(world.seed, founded(world), call.now)
        newest = stream.newest(world.seed, founded(world), call.now)
        rows = (
            self._use(world, owner, total - place, day, use, more)
            for place, (day, use) in enumerate(newest)
        )
        return self._page(call, rows, total)

    def _use(
        self, world: World, owner: str, ordinal: int, day: int, use: Use, more: dict[str, Any]
    ) -> dict[str, Any]:
        source = digest(world.seed, "use", owner, day, ordinal, size=32)
        # Of the same second the later call has the later fraction.
        fraction = digest(world.seed, "fraction", owner, day, size=1)[0] / 600
        at = day * DAY + use.second + fraction + ordinal % 400_000 / 1e6
        return {
            "id": ulid("usg", ordinal, source),
            "createdAt": micros_stamp(at),
            "generationId": ulid("gen", ordinal, source[16:]).replace("-", "_"),
            "aiInferenceProviderName": use.model.upstream if use.model else "exa",
            **row(Sum(use.operation, use.model, 1, use.prompt, use.completion, use.cached)),
            "totalTokens": use.prompt + use.completion,
            "cachedTokens": use.cached,
            "creditsUsed": use.credits,
            "metadata": {
                "raw_model": use.model.name if use.model else "web-search",
                "is_byok": False,
                "is_stream": True,
            },
            **more,
        }

    @operation("GET", "/api/v1/users/{id}/usages", "list_user_usages")
    def list_user_usages(self, call: Call) -> Answer:
        account = self._own(call)
        more = {"userId": account.id, "organizationId": ""}
        stream = own_stream(call.state.world, account)
        return success(self._ledger(call, stream, account.id, more))

    @operation("GET", "/api/v1/users/{id}/usages/daily", "list_user_daily_usages")
    def list_user_daily_usages(self, call: Call) -> Answer:
        account, world = self._own(call), call.state.world
        if "startDate" not in call.query or "endDate" not in call.query:
            raise malformed("startDate and endDate are required")
        first, last = self._range(call, LONGEST_DAILY)
        stream = own_stream(world, account)
        items = [
            {"date": iso(day), **row(one)}
            for day in range(last, first - 1, -1)
            for one in stream.day(world.seed, founded(world), day, call.now)
        ]
        return success({"items": items})

    @operation(
        "GET",
        "/api/v1/organizations/{orgId}/members/{memberId}/usages",
        "list_member_usages",
    )
    def list_member_usages(self, call: Call) -> Answer:
        organization, caller = self._enter(call, "member")
        wanted = call.params["memberId"]
        tables = organization.tables
        member = tables["members"].get(wanted) or tables["left"].get(wanted)
        if wanted != caller.member_id and rank(caller) < RANKS["admin"]:
            raise Refusal(403, "can only access own resources")
        if member is None:
            raise Refusal(404, "member not found")
        more = {
            "userId": member.user_id,
            "organizationId": organization.id,
            "memberDisplayName": member.display_name,
            "memberEmail": member.email,
        }
        stream = stream_of(organization, member)
        return success(self._ledger(call, stream, member.member_id, more))

    def _range(self, call: Call, longest: int) -> tuple[int, int]:
        today = int(call.now // DAY)
        try:
            last = number_of(call.query["endDate"]) if "endDate" in call.query else today
            first = number_of(call.query["startDate"]) if "startDate" in call.query else last - 29
        except ValueError:
            raise malformed("invalid date") from None
        if not 0 <= last - first < longest:
            raise malformed(f"a range has 1 to {longest} days")
        return first, last

    @operation("GET", "/api/v1/organizations/{orgId}/usages", "get_organization_usage")
    def get_organization_usage(self, call: Call) -> Answer:
        organization, _ = self._enter(call, "admin")
        self._slowly(call, "organization usages")
        first, last = self._range(call, LONGEST_RANGE)
        world = call.state.world
        groups = self.books.groups(world, organization)
        days = range(min(last, int(call.now // DAY)), first - 1, -1)
        total = sum(people for day in days for people, _ in groups.day(world, day, call.now))
        return success(self._page(call, self._rows(call, organization, days), total))

    def _rows(
        self, call: Call, organization: Organization, days: range
    ) -> Iterator[dict[str, Any]]:
        world, tables = call.state.world, organization.tables
        people = [*tables["members"], *tables["left"]]
        for day in days:
            for member in people:
                stream = stream_of(organization, member)
                for one in stream.day(world.seed, founded(world), day, call.now):
                    yield {
                        "date": iso(day),
                        "memberId": member.member_id,
                        "memberDisplayName": member.display_name,
                        "memberEmail": member.email,
                        **row(one),
                        "totalTokens": one.prompt + one.completion,
                        "creditsUsed": one.credits,
                    }

    @operation("GET", "/api/v1/organizations/{orgId}/metrics", "get_organization_metrics")
    def get_organization_metrics(self, call: Call) -> Answer:
        organization, _ = self._enter(call, "admin")
        first, last = self._range(call, LONGEST_RANGE)
        world = call.state.world
        groups = self.books.groups(world, organization)
        days = range(first, min(last, int(call.now // DAY)) + 1)
        totals = dict.fromkeys(("requests", "prompt", "completion", "credits", "cost"), 0)
        for day in days:
            for people, one in groups.day(world, day, call.now):
                for name in totals:
                    totals[name] += people * getattr(one, name)
        data = {
            "organizationId": organization.id,
            "startDate": iso(first),
            "endDate": iso(last),
            "memberCount": len(organization.tables["members"]),
            "activeMemberCount": active(world, groups, days, call.now),
            "requests": totals["requests"],
            "promptTokens": totals["prompt"],
            "completionTokens": totals["completion"],
            "totalTokens": totals["prompt"] + totals["completion"],
            "creditsUsed": totals["credits"],
            "costUsd": totals["cost"],
        }
        return success(data)


def active(world: World, groups: Groups, days: range, now: float) -> int:
    """People with at least one call in these days."""

    def last_used(stream: Stream) -> int:
        used = (day for day in reversed(days) if stream.day(world.seed, founded(world), day, now))
        return next(used, -1)

    found = 0
    for profile, firsts in groups.firsts.items():
        last = last_used(Stream(profile, 0))
        found += sum(count for first, count in firsts.items() if first <= last)
    return found + sum(last_used(stream) >= 0 for stream in groups.left)
