"""The description as a page for people."""

from typing import Any

from presence.access.callers import Kind
from presence.access.refusals import Refusal
from presence.api.description import message_shapes, shapes, statuses
from presence.api.description.operations import OPERATIONS, Operation
from presence.api.description.shapes import Schema

_HEAD = """# The presence API

Made from the code by `make docs`; the same as OpenAPI 3.1 is at `/v1/openapi.json` of every presence server. How to use
it: [docs/how-to/presence.md](../how-to/presence.md).

Who asks: **C** a client with its access or capability token (`Authorization: Bearer`), **A** an account's server
(`Basic`: account SID and auth token, or API key and secret), **S** the deployment's own servers (`Bearer` and a service
token). Bodies are JSON. Moments are ISO 8601 in UTC. What is outside of a token's scope is answered as if it did not
exist.

Every error is `{code, message, more_info, status}`. Any request may get 400 (the message names the field and what it
takes), 401, 403, 404, 413, 429 with `Retry-After`, or 503: then nothing was stored.
"""
_LETTERS = {Kind.CLIENT: "C", Kind.ACCOUNT: "A", Kind.SERVICE: "S"}
_COMMON = {400, 401, 403, 404, 413, 429, 503}


def page() -> str:
    parts = [_HEAD]
    for group, operations in OPERATIONS.items():
        rows = "\n".join(map(_row, operations))
        parts.append(f"## {group}\n\n| request | who | what | answers |\n|---|---|---|---|\n{rows}\n")
    parts.append(
        "## Refusals\n\nWhy a token or a permission was refused; the last number is what the Voice SDK is told.\n"
    )
    parts.append("| HTTP | code | SDK | |\n|---|---|---|---|")
    for refusal in Refusal:
        one = refusal.value
        parts[-1] += f"\n| {one.status} | {one.rest} | {one.signal} | {one.message} |"
    parts.append("\n## Bodies\n")
    parts += [_shape(name, schema) for name, schema in {**shapes.SCHEMAS, **message_shapes.SCHEMAS}.items()]
    return "\n".join(parts)


def _row(one: Operation) -> str:
    path = one.path.replace("/v1/Accounts/{account_sid}", "…")
    query = f"<br>`?{'&'.join(one.query)}`" if one.query else ""
    taken = f"<br>takes {_link(one.body)}" if one.body else ""
    needs = f" ({one.needs})" if one.needs else ""
    who = " ".join(_LETTERS[kind] for kind in _LETTERS if kind in one.who) or "all"
    answers = ", ".join(
        f"{status} {_link(schema)}".strip()
        for status, schema in statuses(one).items()
        if status not in _COMMON or schema != "Error"
    )
    note = f": {one.note}".replace("StreamMessage", _link("StreamMessage")) if one.note else ""
    return f"| `{one.method} {path}`{query}{taken} | {who}{needs} | {one.summary}{note} | {answers} |"


def _link(schema: str) -> str:
    names = [name for name in schema.split(" | ") if name not in ("", "Error")]
    return " or ".join(f"[{name}](#{name.lower()})" for name in names)


def _shape(name: str, schema: Schema) -> str:
    required = set(schema["required"])
    rows = [
        f"| `{key}` | {_kind(one)} | {'' if key in required else 'may be left out'} | {one.get('description', '')} |"
        for key, one in schema["properties"].items()
    ]
    return f"### {name}\n\n| key | | | |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"


def _kind(schema: Any) -> str:
    if "$ref" in schema:
        return _link(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " or ".join(map(_kind, schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(f"`{one}`" for one in schema["enum"])
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    said = " or ".join(kinds)
    if "array" in kinds:
        said = f"list of {_kind(schema['items'])}"
        return f"{said}, at most {schema['maxItems']}" if schema.get("maxItems") else said
    if schema.get("format") == "date-time":
        return "moment" + (" or null" if "null" in kinds else "")
    if "pattern" in schema:
        pattern = schema["pattern"].replace("|", "\\|")
        return f"{said}, `{pattern}`"
    if "maxLength" in schema:
        return f"{said}, up to {schema['maxLength']} characters"
    if "maximum" in schema and schema["maximum"] < 2**31:
        return f"{said}, {schema['minimum']} to {schema['maximum']}"
    return said
