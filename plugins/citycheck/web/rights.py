"""Who may see and do what, as Airflow's own login and auth manager say.

Whoever may see plugins reads these pages. Whoever may answer for the index (the right that Airflow asks of those who approve)
acts, and sees figures that are not published yet. What is done is done by POST alone, and only from these pages.
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from airflow.api_fastapi.auth.managers.models.resource_details import AccessView, DagAccessEntity
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag, requires_access_view
from fastapi import Depends, HTTPException, Request

INDEX = "half_yearly_index"
NOT_FROM_HERE = (
    "这个请求不是从 citycheck 的页面发出的；请打开该页，在页面上按按钮。若在代理之后，代理须原样转发 Host。",
    "This was not sent from a page of citycheck. Open the page and press the button there; a proxy must pass on Host as it is.",
)

_acting = requires_access_dag("PUT", DagAccessEntity.HITL_DETAIL, param_dag_id=INDEX)

READS = Depends(requires_access_view(AccessView.PLUGINS))
ACTS = Depends(_acting)
READS_RUNS = Depends(requires_access_dag("GET", DagAccessEntity.XCOM))


def may_act(request: Request, user: GetUserDep) -> bool:
    """Whether the user is one of those who act."""
    try:
        _acting(request, user)
    except HTTPException:
        return False
    return True


MayAct = Annotated[bool, Depends(may_act)]


def from_here(request: Request) -> None:
    """Refuse what another site lets a browser send: the cookie of the login would come with it.

    Browsers say where a request comes from, over https in Sec-Fetch-Site, otherwise in Origin; one that says neither is refused.
    """
    site = request.headers.get("sec-fetch-site")
    if site is None:
        origin = urlsplit(request.headers.get("origin", "")).netloc
        site = "same-origin" if origin and origin == request.headers.get("host") else "elsewhere"
    if site != "same-origin":
        raise HTTPException(403, NOT_FROM_HERE[1])


FROM_HERE = Depends(from_here)
