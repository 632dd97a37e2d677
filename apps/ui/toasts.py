"""Saying something in a corner of the page at hand, where htmx exchanges only a part of it."""

import json

from django.http import HttpResponse


def add_event(answer: HttpResponse, name: str, **details: str) -> None:
    """Have htmx tell the page at hand that ``name`` has happened, beside what it is told already."""
    told = json.loads(answer.get("HX-Trigger", "{}"))
    answer["HX-Trigger"] = json.dumps(told | {name: details})


def add_toast(answer: HttpResponse, text: str, level: str) -> None:
    """Have ``orgdesk.js`` show ``text``; ``level``: "success", "info" or "danger"."""
    add_event(answer, "toast", text=text, level=level)
