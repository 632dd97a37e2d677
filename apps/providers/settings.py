"""What a provider's configuration document is made of: names, words and types of what is known of it.

Pure: web pages import this. Source: ``RemoteConfigDocument`` of Cline's contract. What is not named
here is kept, shown and left unchecked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Words = str | Promise


@dataclass(frozen=True, slots=True)
class Shape:
    """A type of JSON. ``fields`` are an object's known ones, ``entries`` what a list holds, or what each
    field of an object that names them freely holds."""

    type: Literal["flag", "text", "number", "object", "list"]
    fields: Mapping[str, "Shape"] = field(default_factory=dict)
    needed: tuple[str, ...] = ()
    entries: "Shape | None" = None
    one_of: tuple[str, ...] = ()  # of a text


@dataclass(frozen=True, slots=True)
class Setting:
    """A field of the document, ``meaning`` in plain words where its name does not say enough."""

    name: str
    label: Words
    shape: Shape
    meaning: Words = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Settings that belong together."""

    label: Words
    settings: tuple[Setting, ...]


@dataclass(frozen=True, slots=True)
class Configuration:
    """The document that a provider hands to an organization's members. ``version`` names its mandatory
    field, which is kept as it was read, or begins with ``first_version``."""

    sections: tuple[Section, ...]
    version: str
    first_version: str
    note: Words


FLAG, TEXT, NUMBER, OBJECT = Shape("flag"), Shape("text"), Shape("number"), Shape("object")
HEADERS = Shape("object", entries=TEXT)
INSTRUCTIONS = Shape(
    "list",
    entries=Shape(
        "object",
        {"alwaysEnabled": FLAG, "name": TEXT, "contents": TEXT},
        ("alwaysEnabled", "name", "contents"),
    ),
)
STORE = Shape(
    "object",
    {
        **dict.fromkeys(
            ("bucket", "accessKeyId", "secretAccessKey", "region", "endpoint", "accountId"), TEXT
        ),
        **dict.fromkeys(
            ("intervalMs", "maxRetries", "batchSize", "maxQueueSize", "maxFailedAgeMs"), NUMBER
        ),
        "backfillEnabled": FLAG,
    },
    ("bucket", "accessKeyId", "secretAccessKey"),
)
UPLOADING = Shape(
    "object",
    {
        "enabled": FLAG,
        "type": Shape("text", one_of=("s3_access_keys", "r2_access_keys", "azure_access_keys")),
        **dict.fromkeys(("s3AccessSettings", "r2AccessSettings", "azureAccessSettings"), STORE),
    },
)

CLINE_CONFIGURATION = Configuration(
    sections=(
        Section(
            _("Models and providers"),
            (Setting("providerSettings", _("Provider settings"), OBJECT),),
        ),
        Section(
            _("What members may do"),
            (
                Setting(
                    "yoloModeAllowed",
                    _("Approve every action automatically"),
                    FLAG,
                    _("Off takes the option away."),
                ),
                Setting("kanbanEnabled", _("Kanban"), FLAG),
            ),
        ),
        Section(
            _("MCP servers"),
            (
                Setting(
                    "mcpMarketplaceEnabled",
                    _("Marketplace and members' own servers"),
                    FLAG,
                    _("Off blocks MCP servers that a member has set up."),
                ),
                Setting(
                    "blockPersonalRemoteMCPServers",
                    _("Block personal remote servers"),
                    FLAG,
                ),
                Setting(
                    "allowedMCPServers",
                    _("Allowed local servers"),
                    Shape("list", entries=Shape("object", {"id": TEXT}, ("id",))),
                    _("Absent or empty means no restriction."),
                ),
                Setting(
                    "remoteMCPServers",
                    _("Remote servers"),
                    Shape(
                        "list",
                        entries=Shape(
                            "object",
                            {"name": TEXT, "url": TEXT, "alwaysEnabled": FLAG, "headers": HEADERS},
                            ("name", "url"),
                        ),
                    ),
                ),
            ),
        ),
        Section(
            _("Rules, workflows and skills"),
            (
                Setting("globalRules", _("Rules"), INSTRUCTIONS),
                Setting("globalWorkflows", _("Workflows"), INSTRUCTIONS),
                Setting("globalSkills", _("Skills"), INSTRUCTIONS),
            ),
        ),
        Section(
            _("Telemetry"),
            (
                Setting("telemetryEnabled", _("Telemetry"), FLAG),
                Setting("openTelemetryEnabled", _("OpenTelemetry"), FLAG),
                Setting("openTelemetryMetricsExporter", _("Metrics exporter"), TEXT),
                Setting("openTelemetryLogsExporter", _("Logs exporter"), TEXT),
                Setting("openTelemetryMetricExportInterval", _("Metric export interval"), NUMBER),
                Setting("openTelemetryOtlpProtocol", _("OTLP protocol"), TEXT),
                Setting("openTelemetryOtlpEndpoint", _("OTLP endpoint"), TEXT),
                Setting("openTelemetryOtlpHeaders", _("OTLP headers"), HEADERS),
                Setting("openTelemetryOtlpInsecure", _("OTLP without encryption"), FLAG),
                Setting("openTelemetryOtlpMetricsProtocol", _("OTLP metrics protocol"), TEXT),
                Setting("openTelemetryOtlpMetricsEndpoint", _("OTLP metrics endpoint"), TEXT),
                Setting("openTelemetryOtlpMetricsHeaders", _("OTLP metrics headers"), HEADERS),
                Setting("openTelemetryOtlpLogsProtocol", _("OTLP logs protocol"), TEXT),
                Setting("openTelemetryOtlpLogsEndpoint", _("OTLP logs endpoint"), TEXT),
                Setting("openTelemetryOtlpLogsHeaders", _("OTLP logs headers"), HEADERS),
                Setting("openTelemetryLogBatchSize", _("Log batch size"), NUMBER),
                Setting("openTelemetryLogBatchTimeout", _("Log batch timeout"), NUMBER),
                Setting("openTelemetryLogMaxQueueSize", _("Log queue size"), NUMBER),
            ),
        ),
        Section(
            _("Prompt storage"),
            (
                Setting(
                    "enterpriseTelemetry",
                    _("Store of prompts"),
                    Shape("object", {"promptUploading": UPLOADING}),
                ),
            ),
        ),
    ),
    version="version",
    first_version="v1",
    note=_(
        "Members pick a change up at their next refresh. A wrong type in one field makes them keep "
        "their last good copy, so types are checked here first. Provider settings are open to admins; "
        "Cline lets only owners change security settings."
    ),
)
