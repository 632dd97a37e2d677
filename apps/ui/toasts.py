"""Saying something in a corner of the page at hand, where htmx exchanges only a part of it."""

import json

from django.http import HttpResponse


def add_toast(answer: HttpResponse, text: str, level: str) -> None:
    """Have ``orgdesk.js`` show ``text``; ``level``: "success", "info" or "danger"."""
    answer["HX-Trigger"] = json.dumps({"toast": {"text": text, "level": level}})
