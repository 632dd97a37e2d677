"""The whole API: every resource of the contract in one class."""

from .account import Accounts
from .keys import Keys
from .money import Money
from .organizations import Organizations
from .people import People
from .plans import Plans


class Cline(Accounts, Keys, Organizations, People, Plans, Money):
    """The Cline Enterprise API, one method per operationId."""
