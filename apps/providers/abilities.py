"""What a connection can do: one cheap read for each capability, and what its answer says of it."""

from collections.abc import Callable, Iterable, Mapping

from apps.providers.errors import Forbidden, NotFound, ProviderError, Refused, Unclear
from apps.providers.records import Ability

# By capability the reads that must pass for it, under the operationIds of the contract.
Needs = Mapping[str, tuple[str, ...]]
Reads = Mapping[str, Callable[[], object]]


def look(needs: Needs, reads: Reads) -> dict[str, Ability]:
    """The ability for each capability. Each of ``reads`` is sent once, in their order."""
    passed = {operation: ability(read) for operation, read in reads.items()}
    return {name: first_refusal(map(passed.get, asked)) for name, asked in needs.items()}


def first_refusal(abilities: Iterable[Ability | None]) -> Ability:
    """The first of ``abilities`` that says no; yes if none does. None says nothing."""
    return next((one for one in abilities if one is not None and not one.ok), Ability(True))


def ability(read: Callable[[], object]) -> Ability:
    """Whether a cheap read passes.

    No, in the provider's words, where it refuses (403, 404, "not enrolled" and other 4xx) or answers
    what nobody can read. Raised is what says nothing of the capability: 401, 429, 5xx, silence.
    """
    try:
        read()
    except ProviderError as error:
        if not _is_final(error):
            raise
        return Ability(False, error.message)
    return Ability(True)


def _is_final(error: ProviderError) -> bool:
    if isinstance(error, Unclear):
        # To who looks for an object, the 404 of a route that is not there is Unclear too.
        return error.garbled or error.status == 404
    return isinstance(error, Forbidden | NotFound | Refused)
