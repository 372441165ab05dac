"""What a template uses is what its context offers, and nothing in it needs what the policy forbids."""

from __future__ import annotations

import re
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from jinja2 import nodes

from kana.dashboard import pages  # loads every page
from kana.dashboard.context import Context, Frame
from kana.dashboard.rendering import FOLDER, load_templates

TEMPLATES = load_templates()
# A class with slots is made twice; the one that its module names counts.
CONTEXTS = sorted(
    (each for each in Context.__subclasses__() if getattr(sys.modules[each.__module__], each.__name__) is each),
    key=lambda context: context.template,
)
FILES = sorted(path.name for path in FOLDER.glob("*.html"))
SHARED = {"layout.html", "macros.html"}


def used(template: str, name: str) -> set[str]:
    """The attributes of ``page`` or ``frame`` that a template's own text uses."""
    tree = TEMPLATES.parse((FOLDER / template).read_text())
    return {
        node.attr
        for node in tree.find_all(nodes.Getattr)
        if isinstance(node.node, nodes.Name) and node.node.name == name
    }


def offered(context: type[Context]) -> set[str]:
    """What a context offers: its fields and properties."""
    properties = {name for name, value in vars(context).items() if isinstance(value, property)}
    return {each.name for each in fields(context)} | properties


@pytest.mark.parametrize("context", CONTEXTS, ids=lambda context: context.__name__)
def test_a_template_uses_what_its_context_offers(context: type[Context]) -> None:
    """All of it, and nothing else: neither a forgotten field nor one that nobody sees."""
    assert used(context.template, "page") == offered(context)


@pytest.mark.parametrize("template", FILES)
def test_a_template_uses_what_the_frame_offers(template: str) -> None:
    """The frame is the same for all pages."""
    known = {each.name for each in fields(Frame)} | {name for name in vars(Frame) if not name.startswith("_")}
    assert used(template, "frame") <= known


def test_every_template_has_its_context() -> None:
    """One context for each template and no template without."""
    assert pages.ROUTES
    assert [context.template for context in CONTEXTS] == sorted(set(FILES) - SHARED)


@pytest.mark.parametrize("template", FILES)
def test_a_template_leaves_escaping_on_and_has_nothing_inline(template: str) -> None:
    """No ``safe``, no style or script in the page, no handler in an attribute."""
    text = (FOLDER / template).read_text()
    assert re.findall(r"\|\s*safe|autoescape|Markup", text) == []
    assert re.findall(r"<style|<script(?![^>]*\ssrc=)|\sstyle=|\son\w+=|hx-on|javascript:", text) == []


@pytest.mark.parametrize("template", FILES)
def test_every_form_that_changes_something_carries_the_token(template: str) -> None:
    """A form with method post has the hidden field, by the macro or by hand."""
    forms = re.findall(r"<form\b[^>]*method=\"post\".*?</form>", (FOLDER / template).read_text(), re.DOTALL)
    assert [form for form in forms if "macros.csrf(frame)" not in form and 'name="csrf"' not in form] == []


def test_the_rule_sees_what_it_should(tmp_path: Path) -> None:
    """A control: attributes are found in tests, calls and loops, and other names are left alone."""
    text = "{% for a in page.list.rows %}{{ page.may('x') }}{{ a.name }}{% endfor %}{% if not page.is_it %}{% endif %}"
    tree = TEMPLATES.parse(text)
    found = {n.attr for n in tree.find_all(nodes.Getattr) if isinstance(n.node, nodes.Name) and n.node.name == "page"}
    assert found == {"list", "may", "is_it"}
