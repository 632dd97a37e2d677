"""The whole API: every tag of the contract in one class."""

from .claude_code import ClaudeCode
from .costs import Costs
from .invites import Invites
from .keys import Keys
from .limits import Limits
from .memberships import Memberships
from .usage import Usage
from .users import Users


class Anthropic(Users, Invites, Memberships, Keys, Limits, Usage, Costs, ClaudeCode):
    """The Anthropic Admin API, one method per operationId."""
