"""What there is to hear about. Each shelf registers its topics in ``AppConfig.ready()``."""

from dataclasses import dataclass, field

from apps.organizations.models import Role
from apps.organizations.policy import POLICY, role_may
from apps.ui.listing import Words


@dataclass(frozen=True, slots=True)
class Topic:
    """One kind of news, "usage.anomaly" say.

    ``hears`` are the roles that hear of it unless a person says otherwise. ``needs`` is the policy's
    action that a notice of it tells about: whoever may not do that can neither hear nor read it.
    ``text`` says in a sentence when it is told.
    """

    name: str
    label: Words
    hears: frozenset[Role]
    needs: str = "activity.read"
    text: Words = field(default="", compare=False)


TOPICS: dict[str, Topic] = {}


def register(topic: Topic) -> None:
    """Make a topic known. ValueError for a name that another topic has, or a rule that there is none of."""
    if topic.needs not in POLICY:
        raise ValueError(f"{topic.name} needs {topic.needs}, which the policy does not know.")
    if TOPICS.get(topic.name, topic) != topic:
        raise ValueError(f"There is a topic {topic.name} already.")
    TOPICS[topic.name] = topic


def topic_of(name: str) -> Topic:
    """The topic of that name; KeyError if nobody has registered it."""
    return TOPICS[name]


def open_to(role: Role | None) -> list[Topic]:
    """The topics that a holder of ``role`` may hear of, in the order of their names."""
    return [TOPICS[name] for name in sorted(TOPICS) if role_may(role, TOPICS[name].needs)]
