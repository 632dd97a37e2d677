"""The seeded world: a pure function of size, seed and epoch.

Ids, names, addresses, roles and keys come from size and seed alone; every date is counted back from
the epoch, which the state file remembers, so an invite that was about to expire still is.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from . import names
from .anthropic.founding import PLANS, Furnishing
from .anthropic.rows import console_families, console_settings, console_tables
from .cline.catalogue import CARD, PASS, TOP_UPS, UNLIMITED, founding_plan
from .ids import account_token, anthropic_key, base58_id, cline_key, digest, refresh_token, ulid
from .world import (
    CLINE_INVITE_DAYS,
    DAY,
    INVITE_DAYS,
    Account,
    ClineInvite,
    Invite,
    Key,
    Member,
    Organization,
    User,
    World,
    cline_tables,
    micros_stamp,
    seconds_stamp,
)

SIZES = {"small": 40, "medium": 2_000, "large": 100_000}
# Every address of the world is in a domain that nobody can own (RFC 2606, RFC 6761).
RESERVED_DOMAINS = [
    "example",
    "test",
    "invalid",
    "example.com",
    "example.net",
    "example.org",
]
HOME, LABS, OUTSIDE = "northgate.example", "labs.northgate.example", "freelance.example"


@dataclass(slots=True)
class Person:
    ordinal: int
    name: str
    email: str
    chance: int  # 0 to 999, decides role and memberships
    source: bytes


class Registry:
    """Hands out people one after the other, each with an address of their own."""

    def __init__(self, seed: str) -> None:
        self.seed = seed
        self._taken: dict[str, int] = {}

    def person(self, ordinal: int) -> Person:
        source = digest(self.seed, "person", ordinal)
        bits = int.from_bytes(source[56:], "big")
        bits, chance = divmod(bits, 1000)
        bits, given = divmod(bits, len(names.GIVEN))
        bits, family = divmod(bits, len(names.FAMILY))
        bits, home = divmod(bits, 100)
        if ordinal % 37 == 11:
            name, mailbox = names.AS_WRITTEN[bits % len(names.AS_WRITTEN)]
        else:
            name = f"{names.GIVEN[given]} {names.FAMILY[family]}"
            mailbox = f"{names.GIVEN_PLAIN[given]}.{names.FAMILY_PLAIN[family]}"
        taken = self._taken[mailbox] = self._taken.get(mailbox, 0) + 1
        domain = HOME if home < 82 else LABS if home < 94 else OUTSIDE
        number = str(taken) if taken > 1 else ""
        return Person(ordinal, name, f"{mailbox}{number}@{domain}", chance, source)


def _anthropic_role(person: Person) -> str:
    if person.ordinal < 2 or person.chance < 6:
        return "admin"
    if person.ordinal == 2 or person.chance < 26:
        return "billing"
    if person.chance < 480:
        return "developer"
    return "claude_code_user" if person.chance < 650 else "user"


def _cline_roles(person: Person) -> tuple[str, ...]:
    if person.ordinal == 0:
        return ("owner",)
    if person.ordinal in (1, 2) or 300 <= person.chance < 312:
        return ("admin",)
    if 312 <= person.chance < 320:
        return ("member", "admin")  # a membership holds a list; the strongest counts
    return ("member",)


def _in_cline(person: Person) -> bool:
    return person.ordinal < 6 or not 880 <= person.chance < 1000


class _Founder:
    """Builds the organizations of one world, people first, invites after."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.seed, self.epoch = world.seed, world.epoch
        self.count = SIZES[world.size]
        self.registry = Registry(world.seed)

    def found(self) -> None:
        self.console = self._anthropic("Northgate Robotics", member_limit=2 * self.count + 500)
        # Seats are enough to play with; past that the sandbox refuses with 409 as Cline would.
        seats = None if self.world.size == "large" else self.count * 2 + 200
        self.team = self._cline("Northgate Robotics", 1, seats=seats)
        self.lab = self._cline("Northgate Lab", 2, seats=25)
        held = founding_plan(
            self.seed, self.team.id, self.world.size, self.epoch, seats or UNLIMITED
        )
        self.team.settings |= held | {
            "card": dict(CARD),
            "auto_top_up": {"enabled": True, **TOP_UPS[self.world.size]},
            "topped_up": TOP_UPS[self.world.size],
            "promotions": [
                {
                    "id": ulid("prm", 1, digest(self.seed, "promotion", size=16)),
                    "name": "Launch credit",
                    "credits": 25_000_000,
                    "creditsRemaining": 7_250_000,
                    "expiresAt": seconds_stamp(self.epoch + 70 * DAY),
                    "createdAt": micros_stamp(self.epoch - 40 * DAY),
                }
            ],
        }
        keyed: list[Member] = []
        self.recent: deque[Person] = deque(maxlen=min(1_500, max(3, self.count // 15)))
        for person in (self.registry.person(ordinal) for ordinal in range(self.count)):
            self.recent.append(person)
            self.console.tables["users"].put(self._user(person))
            if _in_cline(person):
                member = self._member(person, self.team)
                self.team.tables["members"].put(member)
                if person.ordinal < 6:
                    keyed.append(member)
        newcomers = self.count + max(2, self.count // 20)
        for ordinal in range(self.count, newcomers):
            self.team.tables["members"].put(self._member(self.registry.person(ordinal), self.team))
        self._invites(newcomers)
        self._keys(keyed)
        self._furnish(self.console, self.world.size)
        if self.world.size != "small":
            self._second_console()

    def _anthropic(self, name: str, member_limit: int) -> Organization:
        made = bytearray(digest(self.seed, "organization", name, size=16))
        made[6], made[8] = (
            made[6] & 0x0F | 0x40,
            made[8] & 0x3F | 0x80,
        )  # a version 4 UUID
        text = made.hex()
        identity = "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
        organization = Organization(
            "anthropic",
            identity,
            name,
            tables=console_tables(),
            families=console_families(),
            **console_settings(member_limit),
        )
        self.world.organizations[identity] = organization
        return organization

    def _furnish(self, console: Organization, plan: str) -> None:
        Furnishing(console, PLANS[plan], self.seed, self.epoch).furnish()

    def _cline(self, name: str, ordinal: int, seats: int | None) -> Organization:
        source = digest(self.seed, "cline organization", name)
        made = micros_stamp(self.epoch - 560 * DAY + 0.118734)
        organization = Organization(
            "cline",
            ulid("org", ordinal, source),
            name,
            tables=cline_tables(),
            seats=seats,
            verified_domains=RESERVED_DOMAINS,
            external_id=f"org_{ulid('x', ordinal, source[16:])[2:]}",
            provider_keys=provider_keys(self.seed),
            plan_history=[],
            remote_config_enabled=True,
            remote_config=remote_config(self.seed),
            created_at=made,
            updated_at=micros_stamp(self.epoch - 31 * DAY + 0.902117),
        )
        self.world.organizations[organization.id] = organization
        return organization

    def _share(self, person: Person, power: float) -> float:
        """How much of the past had gone by when the person came: falls from 1 to nearly 0."""
        left = max(0.02, 1 - person.ordinal / (self.count * 1.06)) ** power
        return float(left)

    def _user(self, person: Person) -> User:
        return User(
            base58_id("user_01", person.source[:22]),
            seconds_stamp(self.epoch - 900 * DAY * self._share(person, 1.3)),
            person.email,
            person.name,
            _anthropic_role(person),
        )

    def _member(self, person: Person, organization: Organization) -> Member:
        ordinal, source = person.ordinal, person.source
        joined = self.epoch - 540 * DAY * self._share(person, 1.2) + ordinal % 997 / 1009
        email = person.email.title() if person.chance % 61 == 17 else person.email
        return Member(
            ulid("mbr", ordinal, digest(organization.id, "member", ordinal, size=16)),
            ulid("usr", ordinal, source[22:38]),
            organization.id,
            email,
            "" if person.chance % 97 == 41 else person.name,
            _cline_roles(person),
            micros_stamp(joined),
            micros_stamp(joined + (self.epoch - joined) * (person.chance / 1000) ** 4),
        )

    def _invites(self, first: int) -> None:
        """Strangers who are asked (some at both, some about to lapse, some too late), and the
        invites of those who joined of late."""
        pending = min(600, max(6, self.count // 100))
        expired = min(300, max(4, self.count // 200))
        strangers = [self.registry.person(first + n) for n in range(pending + expired)]
        dated = [*self._asked(strangers, pending, expired), *self._accepted()]
        for _, invite in sorted(dated, key=lambda pair: pair[0]):
            self.console.tables["invites"].put(invite)
        self._cline_invites(strangers, pending)

    def _asked(
        self, people: list[Person], pending: int, expired: int
    ) -> Iterator[tuple[float, Invite]]:
        for place, person in enumerate(people):
            if place < pending:
                age = (INVITE_DAYS - 0.4) * (place + 1) / pending
            else:
                age = INVITE_DAYS + 0.6 + 55 * (place - pending) / expired
            invited = self.epoch - age * DAY
            yield invited, self._invite(person, invited, "pending")

    def _invite(self, person: Person, invited: float, status: str) -> Invite:
        role = _anthropic_role(person)
        return Invite(
            base58_id("invite_01", digest(self.seed, "invite", person.ordinal, size=22)),
            person.email,
            seconds_stamp(int(invited) + INVITE_DAYS * DAY),
            seconds_stamp(invited),
            "developer" if role == "admin" else role,
            status,
        )

    def _accepted(self) -> Iterator[tuple[float, Invite]]:
        for person in self.recent:
            joined = self.epoch - 900 * DAY * self._share(person, 1.3)
            invited = joined - DAY * (0.1 + person.chance % 40 / 10)
            yield invited, self._invite(person, invited, "accepted")

    def _cline_invites(self, strangers: list[Person], pending: int) -> None:
        asked = [person for place, person in enumerate(strangers) if place % 2 == 0]
        owner = next(iter(self.team.tables["members"])).user_id
        held = max(1, pending // 2)
        rows = []
        for place, person in enumerate(asked):
            if place < held:
                age = (CLINE_INVITE_DAYS - 0.3) * (place + 1) / held
            else:
                age = CLINE_INVITE_DAYS + 1 + place
            rows.append((self.epoch - age * DAY, person))
        for made, person in sorted(rows, key=lambda pair: pair[0]):
            source = digest(self.seed, "cline invite", person.ordinal, size=16)
            self.team.tables["invites"].put(
                ClineInvite(
                    ulid("inv", person.ordinal, source),
                    self.team.id,
                    person.email,
                    "admin" if person.chance < 60 else "member",
                    "pending",
                    owner,
                    micros_stamp(made),
                    micros_stamp(made + CLINE_INVITE_DAYS * DAY),
                )
            )

    def _keys(self, keyed: list[Member]) -> None:
        world = self.world
        secret = anthropic_key(self.seed, self.console.id)
        world.keys.put(Key(secret, "anthropic", organization=self.console.id))
        world.first_keys = {
            "anthropic": [{"organization": self.console.id, "api_key": secret}],
            "cline": [],
        }
        holders = {"owner": keyed[0], "admin": keyed[1]}
        holders["member"] = next(one for one in keyed[2:] if one.roles == ("member",))
        for role, member in holders.items():
            self._hold(role, member)
        for ordinal, role in ((1, "owner"), (0, "member")):
            self.lab.tables["members"].put(
                msgspec.structs.replace(
                    keyed[ordinal],
                    member_id=ulid("mbr", ordinal, digest(self.lab.id, "member", ordinal, size=16)),
                    organization_id=self.lab.id,
                    roles=(role,),
                )
            )

    def _hold(self, role: str, member: Member) -> None:
        world = self.world
        world.accounts.put(
            Account(
                member.user_id,
                member.email,
                member.display_name,
                member.created_at,
                updated_at=member.created_at,
                terms_accepted_at=member.created_at,
            )
        )
        if role == "owner":
            started = self.epoch - 75 * DAY + 3600.0
            pass_held = {
                "id": ulid("iph", 1, digest(self.seed, "pass", size=16)),
                "plan": PASS["id"],
            }
            pass_held |= {"seats": 1, "started": started, "since": started}
            held = {**pass_held, "canceled_at": 0.0, "cancel_at": 0.0}
            world.owner(member.user_id).settings |= {
                "plan": held,
                "card": dict(CARD),
                "topped_up": {"thresholdCents": 500, "amountCents": 1_000},
            }
        secret = cline_key(self.seed, member.user_id)
        key = Key(
            secret,
            "cline",
            account=member.user_id,
            key_id=ulid("key", 1, digest(self.seed, "key id", member.user_id, size=16)),
            name="Orgdesk",
            created_at=member.created_at,
        )
        token = Key(account_token(self.seed, member.user_id), "cline", account=member.user_id)
        refresh = Key(
            refresh_token(self.seed, member.user_id), "cline refresh", account=member.user_id
        )
        for one in (key, token, refresh):
            world.keys.put(one)
        world.first_keys["cline"].append(
            {"organization_id": self.team.id, "api_key": secret, "role": role}
        )

    def _second_console(self) -> None:
        lab = self._anthropic("Northgate Labs", member_limit=500)
        rows = list(self.console.tables["users"])
        for ordinal in range(0, len(rows), max(1, len(rows) // 120)):
            own = base58_id("user_01", digest(lab.id, "user", ordinal, size=22))
            lab.tables["users"].put(msgspec.structs.replace(rows[ordinal], id=own))
        self._furnish(lab, "lab")
        secret = anthropic_key(self.seed, lab.id)
        self.world.keys.put(Key(secret, "anthropic", organization=lab.id))
        self.world.first_keys["anthropic"].append({"organization": lab.id, "api_key": secret})


def provider_keys(seed: str) -> str:
    """Keys of inference providers that are shared with the members, as the vendor writes them."""
    shared = {name: "sk-" + digest(seed, "shared", name, size=20).hex() for name in ("litellm",)}
    return msgspec.json.encode(shared).decode()


def remote_config(seed: str) -> str:
    """A remote config document as its JSON string, with secrets in clear as the vendor's has."""
    document: dict[str, Any] = {
        "version": "v1",
        "telemetryEnabled": True,
        "yoloModeAllowed": False,
        "mcpMarketplaceEnabled": True,
        "providerSettings": {
            "Anthropic": {"models": [{"id": "claude-sonnet-4-6", "thinkingBudgetTokens": 4096}]}
        },
        "openTelemetryEnabled": True,
        "openTelemetryOtlpEndpoint": "https://telemetry.northgate.example",
        "openTelemetryOtlpHeaders": {"x-api-key": digest(seed, "otlp", size=16).hex()},
        "enterpriseTelemetry": {
            "promptUploading": {
                "enabled": True,
                "type": "s3_access_keys",
                "s3AccessSettings": {
                    "bucket": "northgate-prompts",
                    "region": "eu-central-1",
                    "accessKeyId": "AKIA" + digest(seed, "store", size=8).hex().upper(),
                    "secretAccessKey": digest(seed, "store secret", size=20).hex(),
                },
            }
        },
        "globalRules": [
            {
                "alwaysEnabled": True,
                "name": "Review first",
                "contents": "Open a pull request for every change.",
            }
        ],
    }
    return msgspec.json.encode(document).decode()


def found_world(size: str, seed: str, epoch: int) -> World:
    """The world as it stands before anything happened in it."""
    world = World(size, seed, epoch)
    _Founder(world).found()
    return world
