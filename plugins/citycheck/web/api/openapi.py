"""The description of the interface, as OpenAPI 3.0: the version that the clients of OGC API – Features read."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from citycheck.web.api.problems import MEDIA_TYPE as PROBLEM

VERSION = "3.0.3"
MEDIA_TYPE = "application/vnd.oai.openapi+json;version=3.0"
_NULL = {"type": "null"}
_BBOX = {
    "type": "array",
    "oneOf": [{"minItems": 4, "maxItems": 4}, {"minItems": 6, "maxItems": 6}],
    "items": {"type": "number"},
}


def describe(app: FastAPI, server: str) -> dict[str, Any]:
    """What FastAPI knows of the routes, less what never happens here: a parameter that does not fit is a 400 or a 404."""
    found = get_openapi(
        title=app.title,
        version=app.version,
        openapi_version=VERSION,
        description=app.description,
        routes=app.routes,
        servers=[{"url": server}],
    )
    for path in found["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)
            for status, response in operation["responses"].items():
                if status.startswith("4"):
                    response["content"] = {PROBLEM: response["content"].popitem()[1]}
            for parameter in operation.get("parameters", []):
                if parameter["name"] == "bbox":
                    parameter |= {"style": "form", "explode": False, "schema": _BBOX}
                # What is not given is not null.
                for option in parameter["schema"].pop("anyOf", ()):
                    parameter["schema"] |= option if option != _NULL else {}
    for name in ("HTTPValidationError", "ValidationError"):
        found["components"]["schemas"].pop(name, None)
    described: dict[str, Any] = _as_3_0(found)
    return described


def _as_3_0(node: Any) -> Any:
    """JSON Schema 2020-12 in the words of OpenAPI 3.0: no type null, no const."""
    if isinstance(node, list):
        return [_as_3_0(item) for item in node]
    if not isinstance(node, dict):
        return node
    if _NULL in node.get("anyOf", ()):
        others = [_as_3_0(option) for option in node["anyOf"] if option != _NULL]
        rest = _as_3_0({name: value for name, value in node.items() if name != "anyOf"})
        if len(others) == 1 and "$ref" not in others[0]:
            return rest | others[0] | {"nullable": True}
        # `nullable` counts only beside `type`.
        return rest | {"anyOf": [*others, {"type": "string", "nullable": True, "enum": [None]}]}
    found = {name: _as_3_0(value) for name, value in node.items()}
    if "const" in found:
        found["enum"] = [found.pop("const")]
    return found
