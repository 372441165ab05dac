"""What of a new OpenAPI document would break a client that was made for an older one.

``python -m tests.support.breaking`` compares docs/openapi.json with that of the last release. A client is broken if
what it sends is refused, or if what it reads is missing or of another kind. It is not broken by a new address, a new
optional argument, a new field of an answer, or a new value of an enumeration in an answer, as docs/api-v1.md says.
``python -m tests.support.breaking released`` notes the document that is written now as the released one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from tests.support.tree import ROOT

RELEASED = ROOT / "tests/releases/openapi.json"
"""The document of the last release, without descriptions."""

WRITTEN = ROOT / "docs/openapi.json"
"""The document as it is now."""

Schema = dict[str, Any]

_BOUNDS = (("minimum", 1), ("maximum", -1), ("minLength", 1), ("maxLength", -1), ("minItems", 1), ("maxItems", -1))
"""The bounds of a schema, and whether a larger one (1) or a smaller one (-1) takes less."""


def bare(value: Any) -> Any:
    """A document without what only people read."""
    if isinstance(value, dict):
        told = {"description", "summary", "title"}
        return {key: bare(each) for key, each in value.items() if not (key in told and isinstance(each, str))}
    return [bare(each) for each in value] if isinstance(value, list) else value


def breaks(old: Schema, new: Schema) -> list[str]:
    """Every change that would break a client of the old document, each with its place."""
    return list(_Comparison(old, new).all())


class _Comparison:
    """Compares two documents, whose references are looked up in the one that they are in."""

    def __init__(self, old: Schema, new: Schema) -> None:
        self._old = old
        self._new = new

    def all(self) -> Iterator[str]:
        for path, methods in self._old["paths"].items():
            for method, operation in methods.items():
                where = f"{method.upper()} {path}"
                now = self._new["paths"].get(path, {}).get(method)
                if now is None:
                    yield f"{where}: is gone"
                else:
                    yield from self._operation(operation, now, where)

    def _operation(self, old: Schema, new: Schema, where: str) -> Iterator[str]:
        if old["operationId"] != new["operationId"]:
            yield f"{where}: is called {new['operationId']} and no longer {old['operationId']}"
        gone = self._keys(self._old, old) - self._keys(self._new, new)
        if gone:
            yield f"{where}: is no longer open with {', '.join(sorted(gone))}"
        yield from self._parameters(old.get("parameters", []), new.get("parameters", []), where)
        yield from self._body(old.get("requestBody"), new.get("requestBody"), where)
        yield from self._responses(old["responses"], new["responses"], where)

    @staticmethod
    def _keys(document: Schema, operation: Schema) -> set[str]:
        """Which kinds of keys open an address."""
        listed: list[Schema] = operation["security"] if "security" in operation else document["security"]
        return {name for each in listed for name in each}

    def _responses(self, old: Schema, new: Schema, where: str) -> Iterator[str]:
        for status, response in old.items():
            if status not in new:
                yield f"{where}: no longer says what {status} is"
                continue
            before, now = self._contents(self._old, response), self._contents(self._new, new[status])
            if before.keys() != now.keys():
                yield f"{where}: {status} is another kind of content"
            for kind in before.keys() & now.keys():
                yield from self._answered(before[kind]["schema"], now[kind]["schema"], f"{where}: {status}")

    @staticmethod
    def _contents(document: Schema, response: Schema) -> Schema:
        contents: Schema = found(document, response).get("content", {})
        return contents

    def _parameters(self, old: list[Schema], new: list[Schema], where: str) -> Iterator[str]:
        now = {(each["in"], each["name"]): each for each in new}
        before = {(each["in"], each["name"]): each for each in old}
        for place, each in before.items():
            if place not in now:
                yield f"{where}: {each['name']} is gone"
            else:
                yield from self._taken(each["schema"], now[place]["schema"], f"{where}: {each['name']}")
        for place, each in now.items():
            if each.get("required") and not before.get(place, {}).get("required"):
                yield f"{where}: {each['name']} is required now"

    def _body(self, old: Schema | None, new: Schema | None, where: str) -> Iterator[str]:
        if new is not None and new["required"] and not (old is not None and old["required"]):
            yield f"{where}: a body is required now"
        if old is not None and new is None:
            yield f"{where}: no body is taken any more"
        elif old is not None and new is not None:
            before, now = (each["content"]["application/json"]["schema"] for each in (old, new))
            yield from self._taken(before, now, where)

    def _taken(self, old: Schema, new: Schema, where: str) -> Iterator[str]:
        """What was sent must still be taken."""
        yield from _Inclusion(self._new, self._old, is_answer=False).compare(new, old, where)

    def _answered(self, old: Schema, new: Schema, where: str) -> Iterator[str]:
        """What is answered must be what was."""
        yield from _Inclusion(self._old, self._new, is_answer=True).compare(old, new, where)


def found(document: Schema, schema: Schema) -> Schema:
    """A schema, looked up if it is a reference."""
    while "$ref" in schema:
        place: Schema = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            place = place[part]
        schema = place
    return schema


class _Inclusion:
    """Whether all that one schema allows is allowed by another, the wider one."""

    def __init__(self, wide: Schema, narrow: Schema, *, is_answer: bool) -> None:
        self._wide = wide
        self._narrow = narrow
        self._is_answer = is_answer

    def compare(self, wide: Schema, narrow: Schema, where: str) -> Iterator[str]:
        wider = {each.get("type"): each for each in self._ways(self._wide, wide)}
        for each in self._ways(self._narrow, narrow):
            kind = each.get("type")
            if None in wider:
                continue
            if kind not in wider and not (kind == "integer" and "number" in wider):
                yield f"{where}: {kind or 'anything'} is {'answered' if self._is_answer else 'not taken'} now"
            else:
                yield from self._same_kind(wider.get(kind, wider.get("number", {})), each, where)

    def _ways(self, document: Schema, schema: Schema) -> Iterator[Schema]:
        """The schemas one of which a value must fit: what is in place of a type is looked up."""
        schema = found(document, schema)
        if "anyOf" not in schema:
            yield schema
        for each in schema.get("anyOf", ()):
            yield from self._ways(document, each)

    def _same_kind(self, wide: Schema, narrow: Schema, where: str) -> Iterator[str]:
        for bound, sign in _BOUNDS:
            if bound in wide and (bound not in narrow or sign * wide[bound] > sign * narrow[bound]):
                yield f"{where}: {bound} is not what it was"
        for word in ("format", "pattern"):
            if word in wide and wide[word] != narrow.get(word):
                yield f"{where}: {word} is not what it was"
        if "enum" in wide and not self._is_answer:
            for value in set(narrow.get("enum", ["anything"])) - set(wide["enum"]):
                yield f"{where}: {value} is not taken any more"
        if wide.get("type") == "array":
            yield from self.compare(wide.get("items", {}), narrow.get("items", {}), f"{where}[]")
        if wide.get("type") == "object":
            yield from self._object(wide, narrow, where)

    def _object(self, wide: Schema, narrow: Schema, where: str) -> Iterator[str]:
        # Of an answer the wide one is the old one, of an input the new one.
        old, new = (wide, narrow) if self._is_answer else (narrow, wide)
        for name in old.get("properties", {}):
            if name not in new.get("properties", {}):
                yield f"{where}.{name}: is gone"
            else:
                yield from self.compare(wide["properties"][name], narrow["properties"][name], f"{where}.{name}")
        for name in set(wide.get("required", ())) - set(narrow.get("required", ())):
            is_new = name not in old.get("properties", {})
            if not (self._is_answer and is_new):
                yield f"{where}.{name}: {'may be left out' if self._is_answer else 'is required'} now"


def release() -> int:
    """Keep the document as it is now as that of the release; return 0."""
    RELEASED.write_text(json.dumps(bare(json.loads(WRITTEN.read_text())), indent=1) + "\n")
    return 0


def main() -> int:
    """Say what is broken; return 1 if anything is."""
    broken = breaks(json.loads(RELEASED.read_text()), json.loads(WRITTEN.read_text()))
    for line in broken:
        print(f"docs/openapi.json breaks clients: {line}", file=sys.stderr)
    return bool(broken)


if __name__ == "__main__":
    sys.exit(release() if sys.argv[1:] == ["released"] else main())
