"""Rules of the house that a machine can hold: what pages may not contain, what code may not be called."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.staticfiles.finders import find

ROOT = Path(__file__).resolve().parent.parent
CODE = sorted(
    path
    for folder in ("apps", "portal")
    for path in (ROOT / folder).rglob("*.py")
    if "migrations" not in path.parts
)
TESTS = sorted((ROOT / "tests").rglob("*.py"))
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
SCRIPTS = sorted((ROOT / "static" / "orgdesk").glob("*.js"))


def where(path: Path, line: int = 0) -> str:
    """A place that an editor can open."""
    return f"{path.relative_to(ROOT)}{f':{line}' if line else ''}"


def lines(paths: list[Path]) -> Iterator[tuple[Path, int, str]]:
    """Every line of every file."""
    for path in paths:
        for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            yield path, number, text


# --- Pages ----------------------------------------------------------------------------------------

INLINE = {
    "a style attribute": re.compile(r"""\sstyle\s*=\s*["']"""),
    "a style element": re.compile(r"<style\b", re.I),
    "a script of its own": re.compile(
        r"<script\b(?![^>]*\bsrc=)(?![^>]*type=[\"']application/json)", re.I
    ),
    "an event handler": re.compile(r"""<[^>]*\son[a-z]+\s*=\s*["']""", re.I),
    "hx-on": re.compile(r"\bhx-on\b"),
    "a script as an address": re.compile(r"javascript:", re.I),
    "something from elsewhere": re.compile(r"""(src|href)=["'](https?:)?//""", re.I),
}


@pytest.mark.parametrize("what", INLINE)
def test_no_page_contains_what_the_policy_forbids(what: str) -> None:
    pattern = INLINE[what]
    found = [
        where(path)
        for path in TEMPLATES
        if pattern.search(re.sub(r"{#.*?#}", "", path.read_text(encoding="utf-8")))
    ]
    assert found == [], f"{what}: strict CSP has no room for it"


def test_admin_pages_use_classes_that_its_style_sheet_has() -> None:
    """Unfold brings the classes that it uses itself and no others: the rest would silently do nothing."""
    styles = find("unfold/css/styles.css")
    assert styles, "unfold has moved its style sheet"
    known = {
        one.replace("\\", "")
        for one in re.findall(r"\.((?:\\.|[\w-])+)", Path(styles).read_text(encoding="utf-8"))
    }
    unknown = set()
    for path in (ROOT / "templates" / "admin").glob("*.html"):
        source = re.sub(r"{%.*?%}|{{.*?}}", " ", path.read_text(encoding="utf-8"))
        for words in re.findall(r'class="([^"]*)"', source):
            unknown |= {(path.name, one) for one in words.split() if one not in known}
    assert unknown == set()


def test_no_script_runs_text() -> None:
    pattern = re.compile(r"\beval\(|new Function\(|document\.write|\.innerHTML\s*=|\.outerHTML\s*=")
    found = [where(path, number) for path, number, text in lines(SCRIPTS) if pattern.search(text)]
    assert found == []


# What a template says must go through gettext. What is left once tags, variables and markup are
# taken out is what the template says in its own words.
SILENT = [
    re.compile(r"{#.*?#}"),
    re.compile(r"{%-?\s*comment.*?endcomment\s*-?%}", re.S),
    re.compile(r"{%-?\s*(blocktrans|blocktranslate)\b.*?end\1\s*-?%}", re.S),
    re.compile(r"{%-?\s*trans\b[^%]*%}(?:(?!{%-?\s*trans\b).)*?{%-?\s*endtrans\s*-?%}", re.S),
    re.compile(r"{% block bodyclass %}.*?{% endblock[^%]*%}"),  # classes that Django admin asks for
    re.compile(r"{%.*?%}", re.S),
    re.compile(r"{{.*?}}", re.S),
    re.compile(r"<(script|code|svg|kbd)\b.*?</\1>", re.S | re.I),
    re.compile(r"<!--.*?-->", re.S),
]
SAID_BY_ATTRIBUTES = re.compile(r"""\b(?:aria-label|title|placeholder|alt)=(["'])(.*?)\1""", re.S)
LETTERS = re.compile(r"[A-Za-z]{2,}")
# Names that are the same in every language.
NAMES = {"Orgdesk", "Anthropic", "Cline", "CSV", "XLSX", "API", "UTC", "nbsp", "middot", "ndash"}


def spoken(source: str) -> set[str]:
    """The words that a template says without gettext."""
    for pattern in SILENT:
        source = pattern.sub(" ", source)
    said = [match[2] for match in SAID_BY_ATTRIBUTES.finditer(source)]
    said.append(re.sub(r"<[^>]*>", " ", source))
    return {word for text in said for word in LETTERS.findall(text)} - NAMES


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: where(path))
def test_whatever_a_page_says_can_be_translated(path: Path) -> None:
    assert spoken(path.read_text(encoding="utf-8")) == set()


# --- Code -----------------------------------------------------------------------------------------

FORBIDDEN_NAMES = re.compile(r"^(core|common|utils?|managers?|helpers?|misc)$", re.I)


def test_nothing_is_called_after_nothing() -> None:
    found = {
        where(path)
        for path in [*CODE, *TESTS]
        for part in (*path.relative_to(ROOT).parts[:-1], path.stem)
        if FORBIDDEN_NAMES.match(part)
    }
    assert found == set()


def test_nothing_is_left_for_later() -> None:
    pattern = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|NotImplementedError|\bnot implemented\b", re.I)
    others = [path for path in [*TESTS] if path != Path(__file__).resolve()]
    found = [
        where(path, number)
        for path, number, text in lines([*CODE, *others, *TEMPLATES, *SCRIPTS])
        if pattern.search(text)
    ]
    assert found == []


def test_whoever_silences_a_check_says_why() -> None:
    unexplained = re.compile(
        r"#\s*noqa(?!:\s*[A-Z]+\d+(,\s*[A-Z]+\d+)*[\s#–-]+[A-Za-z])"
        r"|#\s*type:\s*ignore(?!\[[\w, -]+\][\s#–-]+[A-Za-z])"
        r"|#\s*(nosec|pragma: no cover)(?![\s#–-]+[A-Za-z])"
    )
    others = [path for path in TESTS if path != Path(__file__).resolve()]
    found = [
        where(path, number)
        for path, number, text in lines([*CODE, *others])
        if unexplained.search(text)
    ]
    assert found == []


def test_whoever_catches_everything_says_why() -> None:
    found = [
        where(path, number)
        for path, number, text in lines([*CODE, *TESTS])
        if re.search(r"except (Base)?Exception\b.*:\s*$", text)
    ]
    assert found == [], "put the reason behind the colon"


DOORS = {"views", "api", "admin", "forms", "urls", "middleware", "templatetags"}


def calls(tree: ast.AST, name: str) -> Iterator[ast.Call]:
    """Every call of something called ``name``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            if getattr(called, "attr", getattr(called, "id", "")) == name:
                yield node


def test_transactions_begin_in_services_and_are_durable() -> None:
    """Pages never begin one; what begins one says ``durable=True``, so that none hides in another."""
    found = []
    for path in CODE:
        relative = path.relative_to(ROOT)
        at_a_door = bool(DOORS & {*relative.parts, *path.stem.split("_")})
        for call in calls(ast.parse(path.read_text(encoding="utf-8")), "atomic"):
            durable = any(keyword.arg == "durable" for keyword in call.keywords)
            if at_a_door or not durable:
                found.append(where(path, call.lineno))
    assert found == []
