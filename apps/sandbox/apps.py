from django.apps import AppConfig


class SandboxConfig(AppConfig):
    """Only so that ``manage.py sandbox`` exists; the sandbox itself knows nothing of Django."""

    name = "apps.sandbox"
