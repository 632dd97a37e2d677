"""What the log's verbs mean, in words. Each shelf names its own in ``AppConfig.ready()``."""

from collections.abc import Callable, Mapping

from django.utils.functional import Promise

Words = str | Promise

_WORDS: dict[str, Words] = {}
# For verbs that are put together ("members.remove.done"): gives None for what is not theirs.
_readers: list[Callable[[str], Words | None]] = []


def name(words: Mapping[str, Words]) -> None:
    """Make verbs known: {"connections.pause": _("Paused a connection")}."""
    _WORDS.update(words)


def read_by(reader: Callable[[str], Words | None]) -> None:
    """Have ``reader`` asked for verbs that are not known by themselves."""
    if reader not in _readers:
        _readers.append(reader)


def in_words(verb: str) -> Words:
    """A verb in words; one that nobody has named is shown as it is."""
    if verb in _WORDS:
        return _WORDS[verb]
    found = (reader(verb) for reader in _readers)
    return next((words for words in found if words is not None), verb)
