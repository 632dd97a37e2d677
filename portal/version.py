"""The release, as backups, metrics and error reports name it."""

VERSION = "0.1.0"
