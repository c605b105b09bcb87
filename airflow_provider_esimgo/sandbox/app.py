"""The FastAPI application: the API under every version's prefix, the control API, one way to tell an error.

Invariant: errors are `{"message": ...}`; an unknown path under an API version is 403 `access denied`, as users saw.
"""

from __future__ import annotations

import functools

from fastapi import APIRouter, FastAPI, Request, Response
from starlette.exceptions import HTTPException

from airflow_provider_esimgo.sandbox import control, page, routes_esims, routes_orders, routes_organisation
from airflow_provider_esimgo.sandbox.errors import ApiError
from airflow_provider_esimgo.sandbox.exchange import answer

ROOTS = ("catalogue", "esims", "inventory", "networks", "orders", "organisation")


async def _tell(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    response = answer({"message": error.message}, error.status)
    retry_after = error.retry_after or (1 if error.status == 429 else None)
    if retry_after is not None:
        response.headers["retry-after"] = str(retry_after)
    return response


async def _no_such_path(request: Request, error: Exception) -> Response:
    if request.url.path.startswith("/v2"):
        return answer({"message": "access denied"}, 403)
    assert isinstance(error, HTTPException)
    return answer({"message": str(error.detail)}, error.status_code)


async def _root() -> Response:
    return answer(list(ROOTS))


@functools.cache
def the_app() -> FastAPI:
    """One for every sandbox of this process; the gateway says with each request whose it is."""
    app = FastAPI(title="eSIM Go sandbox", redirect_slashes=False)
    api = APIRouter(prefix="/{version}")
    api.add_api_route("/", _root, methods=["GET"])
    for routes in (routes_orders, routes_esims, routes_organisation):
        api.include_router(routes.router)
    app.include_router(control.router)
    app.include_router(page.router)
    app.include_router(api)
    app.add_exception_handler(ApiError, _tell)
    app.add_exception_handler(HTTPException, _no_such_path)
    return app
