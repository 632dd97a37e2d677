"""What can go wrong with a remote call, sorted by what it means for the caller.

The family is closed: an adapter raises nothing else. For a write the question is always
"may it have happened?", and only ``Unclear`` answers "perhaps".
"""

import msgspec

# What reading JSON of a stranger's raises; the second, where it is nested a thousand levels deep.
NOT_JSON = (msgspec.MsgspecError, RecursionError)


class ProviderError(Exception):
    """A remote call that did not succeed.

    ``message`` is the provider's own words where it gave some; ``code`` its machine-readable code;
    ``request_id`` what its support asks for; ``status`` the HTTP status, if there was an answer.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str = "",
        request_id: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.request_id = request_id
        self.retry_after = retry_after


class NotSent(ProviderError):
    """No byte of the request left: refused connection, unknown host. It has not happened."""


class RateLimited(ProviderError):
    """429. It has not happened; ``retry_after`` is in seconds, None if the provider did not say."""


class Busy(RateLimited):
    """The provider was changing the same thing and says: not now. It has not happened; soon again."""


class Unauthorized(ProviderError):
    """401: the credential is missing, revoked or expired. Nothing else will pass until it is replaced."""


class Forbidden(ProviderError):
    """403: the credential is genuine but may not do this."""


class NotFound(ProviderError):
    """404 of the provider itself: no such object in this remote organization.

    A 404 of something in front of it (a proxy, an unknown route) says nothing of the object: Unclear.
    """


class Refused(ProviderError):
    """Any other 4xx, or 200 with an error in it: the provider said no. It has not happened."""


class Unclear(ProviderError):
    """408, timeout, reset, redirect, 5xx or an answer that cannot be read: a write may have happened.

    Also a list that cannot be complete, and a search whose find may hide in an unreadable row.
    ``garbled``: it is a 2xx answer that makes no sense, and would be so the next time.
    """

    garbled = False


class TooLarge(Unclear):
    """An answer beyond the limit: asked again it would be again, unless for less."""


class BudgetSpent(ProviderError):
    """Our own share of the rate budget is used up; nothing was sent. ``retry_after`` says how long."""


class CallNotAllowed(RuntimeError):
    """A remote call outside a worker, or with a database transaction open. A bug of ours, not the provider's."""
