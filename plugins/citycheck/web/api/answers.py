"""How an answer travels: its address, its links to other pages, its ETag, compressed where the client can take that.

The same request for the same release has the same bytes, so its ETag is known before it is made, and what was made last
is kept. `private, no-cache`: a browser may keep an answer, and asks each time whether it still holds, because a release can
be withdrawn and a user lose the right to see it.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote, urlencode

from fastapi import Request, Response
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from citycheck.web.api.kept import Kept
from citycheck.web.api.models import Link

JSON, GEOJSON = "application/json", "application/geo+json"
_HEADERS = {
    "Cache-Control": "private, no-cache",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))")
_LEAST_COMPRESSED_BYTES = 1024
_MOST_BYTES = 64 << 20
_CODE = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))))
"""Another version of citycheck may write the same release in other bytes."""


def root(request: Request) -> str:
    """The address of the landing page, without a slash at its end, as the client sees it."""
    return f"{request.url.scheme}://{request.url.netloc}{quote(request.scope['root_path'])}"


def address(request: Request, *parts: object, **query: object) -> str:
    """An absolute address below the landing page; parameters that are None are left out."""
    asked = urlencode({name: value for name, value in query.items() if value is not None})
    path = "".join(f"/{quote(str(part), safe='')}" for part in parts)
    return root(request) + path + (f"?{asked}" if asked else "")


def link(href: str, rel: str, title: str, type_: str = JSON) -> Link:
    return Link(href=href, rel=rel, type=type_, title=title)


def paged(
    request: Request, parts: tuple[object, ...], query: Mapping[str, object], matched: int, type_: str
) -> list[Link]:
    """Links to this page, the next and the one before. `query` has offset and limit, and names the release: pages never
    mix two of them."""
    offset, limit = int(str(query["offset"])), int(str(query["limit"]))
    links = [link(address(request, *parts, **query), "self", "This page", type_)]
    if offset + limit < matched:
        after = {**query, "offset": offset + limit}
        links.append(link(address(request, *parts, **after), "next", "The next page", type_))
    if offset > 0:
        before = {**query, "offset": max(0, offset - limit)}
        links.append(link(address(request, *parts, **before), "prev", "The page before", type_))
    return links


def answer(request: Request, state: str, make: Callable[[], bytes], type_: str = JSON) -> Response:
    """The answer to a request for which there is one: 304 when the client has it. `state` tells one content from another."""
    told = _CODE.copy()
    told.update(f"{state} {type_} {root(request)} {request.url}".encode())
    compressed = _GZIP.search(request.headers.get("accept-encoding", "")) is not None
    tag = f'"{told.hexdigest()[:32]}"'
    zipped_tag = f'{tag[:-1]}-gzip"'
    headers = {"ETag": zipped_tag if compressed else tag, "Vary": "Accept-Encoding"}
    asked = {part.strip().removeprefix("W/") for part in request.headers.get("if-none-match", "").split(",")}
    if asked & {tag, zipped_tag, "*"}:
        return Response(status_code=304, headers=headers)
    body = _kept.get(tag, make)
    if compressed and len(body) >= _LEAST_COMPRESSED_BYTES:
        body = _kept.get(zipped_tag, lambda: gzip.compress(body, compresslevel=5, mtime=0))
        headers["Content-Encoding"] = "gzip"
    return Response(body, headers=headers, media_type=type_)


class Plain:
    """HEAD is GET without the body, and every answer, refusals included, says what a browser may do with it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_head = scope["type"] == "http" and scope["method"] == "HEAD"

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            elif is_head and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self.app({**scope, "method": "GET"} if is_head else scope, receive, sending)


_kept = Kept[bytes](_MOST_BYTES, len)
