"""The interface for other systems as a client of OGC API – Features sees it that we did not write: GDAL's."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyogrio
import pytest

from citycheck.release.geometry import LAYERS

TOKEN = "of-the-test"
LETTING_IN = {"GDAL_HTTP_AUTH": "BEARER", "GDAL_HTTP_BEARER": TOKEN}
# A process of its own: GDAL holds Python's lock while it waits for an answer.
SERVER = """
import socket, sys, uvicorn
from fastapi import HTTPException, Request
from citycheck.web.api import api
from citycheck.web.api.app import may_see

def one_token(request: Request) -> None:
    if request.headers.get("Authorization") != "Bearer of-the-test":
        raise HTTPException(401)

api.dependency_overrides[may_see] = one_token
uvicorn.Server(uvicorn.Config(api, log_level="error")).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])
"""


@pytest.fixture
def served(published: Path) -> Iterator[str]:
    """The interface on a free port of this machine, which lets one token in."""
    before = {name: pyogrio.get_gdal_config_option(name) for name in LETTING_IN}
    with socket.create_server(("127.0.0.1", 0)) as listening:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(listening.fileno())],
            cwd=Path(__file__).resolve().parents[3] / "plugins", pass_fds=[listening.fileno()],
        )  # fmt: skip
        yield f"OAPIF:http://127.0.0.1:{listening.getsockname()[1]}"
        process.terminate()
        process.wait()
    pyogrio.set_gdal_config_options(before)


def test_gdal_reads_every_layer(served: str, published: Path) -> None:
    pyogrio.set_gdal_config_options(LETTING_IN)
    layers = dict(pyogrio.list_layers(served))
    assert layers.keys() == {of.name for of in LAYERS}
    for layer in layers:
        key = next(of.key for of in LAYERS if of.name == layer)
        found = pyogrio.read_dataframe(served, layer=layer).set_index(key).sort_index()
        path = published / "2026H1" / "2" / "geometry" / "citycheck.gpkg"
        expected = pyogrio.read_dataframe(path, layer=layer).set_index(key).sort_index()
        assert list(found.index) == list(expected.index) and found.crs == expected.crs
        assert found.geometry.geom_equals(expected.geometry).all()


def test_gdal_asks_for_a_box(served: str) -> None:
    pyogrio.set_gdal_config_options(LETTING_IN)
    everything = pyogrio.read_dataframe(served, layer="facilities")
    west, south, east, north = everything.total_bounds
    box = (west, south, (west + east) / 2, (south + north) / 2)
    found = pyogrio.read_dataframe(served, layer="facilities", bbox=box)
    assert 0 < len(found) == len(everything.cx[box[0] : box[2], box[1] : box[3]]) < len(everything)


def test_gdal_is_not_let_in_without_a_token(served: str) -> None:
    with pytest.raises(pyogrio.errors.DataSourceError, match="401"):
        pyogrio.list_layers(served)
