"""The providers there are, and what is known of each without asking it.

Pure: web pages import this. Sources: the contract notes of both providers.
"""

from django.utils.translation import gettext_lazy as _

from apps.providers.protocol import Inheritance, Provider, RoleOption, WorkspaceRules
from apps.providers.settings import CLINE_CONFIGURATION

ANTHROPIC_WORKSPACES = WorkspaceRules(
    roles=(
        RoleOption("workspace_user", _("User"), ""),
        RoleOption(
            "workspace_restricted_developer",
            _("Limited developer"),
            _("Anthropic's console calls it Workspace Limited Developer."),
        ),
        RoleOption("workspace_developer", _("Developer"), ""),
        RoleOption("workspace_admin", _("Admin"), ""),
        RoleOption(
            "workspace_billing",
            _("Billing"),
            _("Follows from the organization role; nobody is given it by hand."),
        ),
    ),
    assignable=(
        "workspace_user",
        "workspace_restricted_developer",
        "workspace_developer",
        "workspace_admin",
    ),
    inherited={
        "admin": Inheritance(
            "workspace_admin",
            _(
                "Admins of the organization are admins of every workspace. Change the organization "
                "role first, in the Claude Console."
            ),
        ),
        "billing": Inheritance(
            "workspace_billing",
            _(
                "Billing members of the organization are billing members of every workspace. Change "
                "the organization role first."
            ),
            raised_to=("workspace_admin",),
        ),
    },
    geos=(
        RoleOption("global", _("Global"), ""),
        RoleOption("us", _("United States"), ""),
    ),
    default_geo="global",
    storage_geos=(RoleOption("us", _("United States"), ""),),
    longest_name=40,
    most_live=100,
    removal_leaves=_(
        "API keys that the person made there keep working, except in the Claude Code workspace."
    ),
    archive_ends={
        "Claude Code": _(
            "This is the Claude Code workspace: signing in to Claude Code with Console billing ends "
            "for everybody."
        )
    },
)
ANTHROPIC = Provider(
    key="anthropic",
    label="Anthropic",
    credential_label=_("Admin API key"),
    credential_help=_(
        "An admin of the organization creates it in the Claude Console under Settings, Admin keys. "
        "It starts with sk-ant-admin01- (Claude Enterprise: sk-ant-api01-). Keys for using models "
        "(sk-ant-api03-) do not work here."
    ),
    credential_pattern=r"sk-ant-(?:admin01|api01)-[A-Za-z0-9_\-]{8,400}",
    roles=(
        RoleOption("user", _("User"), _("Can use the Workbench; sees nothing of keys or billing.")),
        RoleOption(
            "claude_code_user",
            _("Claude Code user"),
            _("Can use the Workbench and Claude Code."),
        ),
        RoleOption(
            "developer",
            _("Developer"),
            _("Can use the Workbench and manage API keys in the workspaces they are added to."),
        ),
        RoleOption(
            "billing",
            _("Billing"),
            _("Can manage billing; is a billing member of every workspace at once."),
        ),
        RoleOption("admin", _("Admin"), _("Can do everything, and is admin of every workspace.")),
    ),
    locked_roles={
        "admin": _(
            "Anthropic does not let its API invite, change or remove admins. "
            "An admin can do it in the Claude Console."
        )
    },
    removal_leaves=_(
        "API keys that the person made stay active, because they belong to the organization and its "
        "workspaces; only their Claude Code keys stop. Disable the others if nobody else uses them."
    ),
    invite_days=21,
    requests_per_minute=100,
    chooses_organization=False,
    holds_seats=False,
    console_url="https://platform.claude.com/settings/members",
    reports=("usage", "costs", "coding", "minutes"),
    sources=_(
        "Anthropic: tokens come from the usage report, money from the cost report, and what is done with "
        "Claude Code from its analytics report, whose costs are estimates and in no sum here."
    ),
    leaves_out={
        "usage": _(
            "Anthropic's usage report leaves out code execution, which its cost report has."
        ),
        "costs": _("Anthropic's cost report leaves out Priority Tier, whose tokens are counted."),
        "coding": _(
            "Anthropic tells of Claude Code on its own API alone, not of what runs on somebody else's"
            " cloud."
        ),
    },
    keys_url="https://platform.claude.com/settings/keys",
    cannot={
        "keys.create": _("Anthropic's API cannot make keys: that is done in the Claude Console."),
        "keys.delete": _(
            "Anthropic's API cannot delete keys. They can be archived, which is final."
        ),
        "shared_keys.read": _("Anthropic shares no keys of other providers."),
        "settings.change": _(
            "Anthropic's API cannot rename an organization: that is done in the Claude Console."
        ),
        "organization.create": _("Anthropic's API cannot make organizations."),
        "organization.delete": _("Anthropic's API cannot delete an organization."),
        "config.read": _(
            "Anthropic's API tells an organization's id and name, and nothing of its settings."
        ),
        "config.change": _("Anthropic's API cannot change an organization's settings."),
        "credit.read": _(
            "Anthropic's API tells nothing of credit, payments and plans: they are in the Claude Console "
            "under Billing."
        ),
    },
    key_facts=frozenset({"expiry"}),
    workspaces=ANTHROPIC_WORKSPACES,
)

CLINE = Provider(
    key="cline",
    label="Cline",
    credential_label=_("API key"),
    credential_help=_(
        "An owner or admin of the organization creates it in the Cline dashboard under API keys. It "
        "acts with that person's roles and starts with sk_. Account tokens (workos:…) expire within "
        "the hour and do not work here."
    ),
    credential_pattern=r"sk_[A-Za-z0-9_\-]{8,400}",
    roles=(
        RoleOption(
            "member",
            _("Member"),
            _("Can use Cline with the organization's settings and provider keys."),
        ),
        RoleOption(
            "admin",
            _("Admin"),
            _("Can also invite, change and remove members, and change provider settings."),
        ),
        RoleOption(
            "owner",
            _("Owner"),
            _("Can also remove admins, change security settings and manage billing."),
        ),
    ),
    locked_roles={},
    removal_leaves=_(
        "The person loses access at once and the seat is free again. Their usage history stays. With "
        "single sign-on they may come back at the next sign-in unless the identity provider drops them too."
    ),
    invite_days=None,
    requests_per_minute=60,
    chooses_organization=True,
    holds_seats=True,
    sells_credit=True,
    console_url="https://app.cline.bot/dashboard/organization",
    reports=("usage", "summary", "calls"),
    sources=_(
        "Cline: tokens, charges and list prices come from the organization usages, a row a day, member, "
        "operation and model. Requests and active members come from the organization metrics. Single calls "
        "come from the ledger of each member."
    ),
    keys_url="https://app.cline.bot/dashboard",
    cannot={
        "keys.change": _(
            "Cline's API can neither rename a key nor switch it off: make a new one and delete the old."
        ),
        "limits.read": _("Cline's API tells of no rate limits."),
    },
    key_facts=frozenset({"last_use"}),
    configuration=CLINE_CONFIGURATION,
    deletion_ends=_(
        "All members lose the organization, with its settings, the provider keys it shares and its "
        "pending invites. Cline does not say what becomes of credit that is left."
    ),
    no_workspaces=_(
        "Cline does not divide an organization into workspaces: its members, keys and settings belong "
        "to the organization as a whole."
    ),
)

CLINE_PERSONAL = Provider(
    key="cline_personal",
    label="Cline (own account)",
    credential_label=_("Your own API key"),
    credential_help=_(
        "You make it in the Cline dashboard under API keys. It acts as you, and starts with sk_. "
        "Account tokens (workos:…) expire within the hour and do not work here."
    ),
    credential_pattern=CLINE.credential_pattern,
    roles=CLINE.roles,
    locked_roles={},
    removal_leaves="",
    invite_days=None,
    requests_per_minute=60,
    chooses_organization=False,
    holds_seats=False,
    sells_credit=True,
    console_url="https://app.cline.bot/dashboard",
    reports=("usage", "calls"),
    leaves_out={
        "usage": _(
            "What organizations are billed for is theirs: this is what you used on your own account."
        ),
    },
    daily_charges=False,
    sources=_(
        "Cline: tokens and list prices come from your usages by day and model. What was charged is told call "
        "by call alone, in the ledger of your calls. The allowance comes from your plan's usage limits."
    ),
    keys_url="https://app.cline.bot/dashboard",
    cannot={
        "config.change": _(
            "Your organization hands it to you: its owners and admins change it, for everybody."
        ),
        "plan.change": _(
            "Cline's API cannot change a plan of one person: that is done in the Cline dashboard."
        ),
    },
    key_facts=frozenset(),
    configuration=CLINE_CONFIGURATION,
    deletion_ends=_(
        "You leave every organization that you are in, all your API keys stop at once, the one that is "
        "used here too, and your clients are signed out. Cline does not say what becomes of credit that "
        "is left. The only owner of an organization is refused: make somebody else an owner first."
    ),
    no_workspaces=_("An account of one person has no workspaces."),
    is_personal=True,
    needs="account.read",
    reached_as="cline",
)

PROVIDERS: dict[str, Provider] = {one.key: one for one in (ANTHROPIC, CLINE, CLINE_PERSONAL)}
