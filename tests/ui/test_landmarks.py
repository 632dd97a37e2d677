"""Landmarks of a page are told apart by their names."""

from django.conf import settings


def test_what_scrolls_within_a_card_is_no_landmark_of_its_own() -> None:
    """It is named by the card's heading, as the card itself is: two landmarks of one name."""
    templates = settings.BASE_DIR / "templates"
    twice = [
        str(one.relative_to(templates))
        for one in templates.rglob("*.html")
        if 'role="region" aria-labelledby=' in one.read_text()
    ]
    assert not twice
