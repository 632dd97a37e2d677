"""The shell around every page, and its small parts."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template import Context, Template
from django.test import RequestFactory
from django.utils import timezone
from django.utils.safestring import mark_safe

from apps.ui import navigation, slots, times
from apps.ui.middleware import FragmentMiddleware

NOON = datetime(2026, 3, 12, 12, 0, tzinfo=UTC)


def render(source: str, **context: object) -> str:
    context.setdefault("request", RequestFactory().get("/"))
    return Template("{% load ui %}" + source).render(Context(context))


@pytest.mark.parametrize(
    ("distance", "words"),
    [
        (timedelta(seconds=-5), "just now"),
        (timedelta(seconds=5), "in a moment"),
        (timedelta(minutes=-1), "1 minute ago"),
        (timedelta(minutes=-59), "59 minutes ago"),
        (timedelta(hours=-1), "1 hour ago"),
        (timedelta(hours=23, minutes=59), "in 23 hours"),
        (timedelta(days=1), "in 1 day"),
        (timedelta(days=-21), "21 days ago"),
        (timedelta(days=-60), "11 Jan 2026"),
    ],
)
def test_a_moment_is_said_as_a_reader_would_say_it(distance: timedelta, words: str) -> None:
    assert times.Clock(NOON).relative(NOON + distance) == words


def test_the_exact_time_is_in_the_readers_own_zone() -> None:
    with timezone.override(ZoneInfo("Asia/Tokyo")):
        html = times.when(NOON)
    assert 'title="12 March 2026, 21:00 JST"' in html
    assert 'datetime="2026-03-12T12:00:00+00:00"' in html


def test_no_time_at_all_is_a_dash() -> None:
    assert render("{% when value %}", value=None) == "–"


def test_an_icon_is_decoration_unless_it_has_a_label() -> None:
    assert 'aria-hidden="true"' in render('{% icon "users" %}')
    labelled = render('{% icon "users" "People" %}')
    assert 'aria-label="People"' in labelled
    assert "aria-hidden" not in labelled


def test_every_icon_that_the_code_names_is_in_the_sprite() -> None:
    sprite = (settings.BASE_DIR / "static/orgdesk/icons.svg").read_text()
    there = set(re.findall(r'<symbol id="([^"]+)"', sprite))
    named = set()
    for path in (settings.BASE_DIR / "templates").rglob("*.html"):
        named |= set(re.findall(r"""icon\(?\s*["']([a-z0-9-]+)["']""", path.read_text()))
        named |= set(re.findall(r"""icon=["']([a-z0-9-]+)["']""", path.read_text()))
    for path in Path(settings.BASE_DIR / "apps").rglob("*.py"):
        named |= set(re.findall(r"""icon=["']([a-z0-9-]+)["']""", path.read_text()))
    assert named
    assert named <= there


def test_a_slot_shows_what_shelves_fill_in_their_order_and_escapes_what_is_not_safe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(slots, "_fillers", type(slots._fillers)(list))

    def second(request: HttpRequest, *, who: str) -> str:
        return f"<b>{who}</b>"

    def first(request: HttpRequest, *, who: str) -> str:
        return mark_safe("<i>first</i>")

    slots.fill("somewhere", second)
    slots.fill("somewhere", first, order=1)
    slots.fill("somewhere", first, order=1)
    html = render('{% slot "somewhere" who="Ann" %}')
    assert html == "<i>first</i>\n&lt;b&gt;Ann&lt;/b&gt;"


def test_a_slot_that_nobody_fills_is_empty() -> None:
    assert render('{% slot "nowhere" %}') == ""


def test_no_page_carries_inline_script_or_style() -> None:
    for path in (settings.BASE_DIR / "templates").rglob("*.html"):
        source = path.read_text()
        if "admin" in path.parts:  # Django admin has a policy of its own
            continue
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|hx-on", source), (
            path
        )


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("", "Overview"),
        ("people/7/", "People"),
        ("settings/", "Settings"),
        ("colleagues/", "Settings"),
        ("tokens/organization/", "Settings"),
        ("directory/people/", "Settings"),
        ("notices/", "Notices"),
        ("notices/own/", "Notices"),
        ("notices/webhooks/new/", "Settings"),
        ("nobody-has-this/", None),
    ],
)
def test_one_entry_of_the_navigation_at_most_is_current(path: str, label: str | None) -> None:
    links = navigation.links(RequestFactory().get(f"/o/acme/{path}"), "acme")
    assert [str(link.label) for link in links if link.current] == ([label] if label else [])


@pytest.mark.parametrize(("headers", "kept"), [({}, None), ({"HX-Request": "true"}, "no-store")])
def test_no_browser_keeps_a_piece_of_a_page(headers: dict[str, str], kept: str | None) -> None:
    answered = FragmentMiddleware(lambda request: HttpResponse("a piece"))
    answer = answered(RequestFactory().get("/o/acme/people/7/", headers=headers))
    assert answer.get("Cache-Control") == kept
