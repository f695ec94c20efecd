"""Map-service places against a server on loopback that caps its results and can be told to misbehave."""

import json
import tempfile
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from pyproj import Geod

from citycheck.cities import datum
from citycheck.connections import Connection
from citycheck.errors import BadInput, SourceUnavailable
from citycheck.feeds import http, poi
from citycheck.feeds.ask import Ask

KEY = "synthetic-key-0123456789"
BOX = (118.0, 28.0, 118.1, 28.1)


def place(number, lon, lat, **more):
    """A synthetic place, as the service writes one; coordinates in GCJ-02."""
    return {
        "id": f"B{number:06d}", "name": f"地点{number}", "typecode": "141200", "address": [], "tel": [],
        "location": f"{lon:.6f},{lat:.6f}", "biz_ext": {"rating": [], "cost": "12"}, "adname": "柯城区", **more,
    }  # fmt: skip


class Service(BaseHTTPRequestHandler):
    """The state is the server's: `places`, `cap`, `version`, `is_open` (borders are outside), `script` of answers."""

    def do_GET(self):
        service = self.server
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        service.asked.append(query)
        if service.script:
            answer = service.script.pop(0)
            if answer is not None:
                return self._answer(answer)
        if query["key"] != KEY:
            return self._answer(
                {"status": "0", "info": f"INVALID_USER_KEY {query['key']}", "infocode": "10001"}
            )
        found = service.places
        if "polygon" in query:
            (west, north), (east, south) = (
                map(float, corner.split(",")) for corner in query["polygon"].split("|")
            )
            found = [p for p in found if self._is_inside(p, west, south, east, north)]
        number, size = ("page", "offset") if service.version == 3 else ("page_num", "page_size")
        page, size = int(query[number]), int(query[size])
        given = found[: service.cap][(page - 1) * size : page * size]
        kept = [p for p in given if p["id"] not in service.withheld]
        total = min(len(found), service.cap) if service.version == 3 else len(kept)
        return self._answer(
            {"status": "1", "count": str(total), "info": "OK", "infocode": "10000", "pois": kept}
        )

    def _is_inside(self, p, west, south, east, north):
        lon, lat = map(float, p["location"].split(","))
        if self.server.is_open:
            return west < lon < east and south < lat < north
        return west <= lon <= east and south <= lat <= north

    def _answer(self, answer):
        body = answer if isinstance(answer, bytes) else json.dumps(answer, ensure_ascii=False).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json;charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def running():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def service(running):
    return fresh(running)


def fresh(server):
    server.places, server.cap, server.version, server.is_open = [], 200, 5, False
    server.script, server.asked, server.withheld = [], [], set()
    return server


def config(service, **more):
    options = {"rectangles": [BOX], "types": ["141200", "090100"], "version": service.version} | more
    address = f"http://127.0.0.1:{service.server_port}/place"
    return poi.Poi(address=address, connection="map", result_limit=service.cap, **options)


def fetch(service, out, key=KEY, waits=None, **more):
    ask = Ask(
        datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC),
        hosts=("127.0.0.1",), connection=Connection("map", password=key),
    )  # fmt: skip
    waited = [] if waits is None else waits
    with http.Client(ask.hosts, retries=0) as client:
        return poi.fetch(config(service, **more), ask, out, client, sleep=waited.append)


def read(folder, names=("id", "lon", "lat")):
    found = []
    for file in sorted(folder.iterdir()):
        found += [row for b in poi.batches(file, names) for row in b.to_pylist()]
    return found


def spread(count, seed=3):
    lon, lat = np.random.default_rng(seed).uniform(BOX[:2], BOX[2:], (count, 2)).T
    return [place(i, *at) for i, at in enumerate(zip(lon, lat, strict=True))]


# Completeness --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [3, 5])
def test_everything_comes_despite_the_cap(service, tmp_path, version):
    service.places, service.version, service.cap = spread(900), version, 200
    assert fetch(service, tmp_path) is None
    assert {row["id"] for row in read(tmp_path)} == {p["id"] for p in service.places}
    assert {query["types"] for query in service.asked} == {"141200|090100"}
    assert [f.name for f in sorted(tmp_path.iterdir())][:2] == ["pois-000001.json", "pois-000002.json"]
    assert json.loads((tmp_path / "pois-000001.json").read_text())["status"] == "1"


def test_version_3_tells_the_cap_on_its_first_page(service, tmp_path):
    """No request is spent on the other pages of a query that will be split."""
    service.places, service.version = spread(201), 3
    fetch(service, tmp_path)
    whole = service.asked[0]["polygon"]
    assert [query["polygon"] == whole for query in service.asked].count(True) == 1


unit = st.integers(0, 100_000)
spots = st.one_of(
    st.tuples(unit, unit),
    st.tuples(st.integers(49_990, 50_010), st.integers(49_990, 50_010)),  # on and beside the first split
    st.tuples(st.sampled_from([0, 25_000, 50_000, 75_000, 100_000]), unit),
)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    found=st.lists(spots, max_size=60, unique=True), is_open=st.booleans(), version=st.sampled_from([3, 5])
)
def test_any_places_are_all_found(running, found, is_open, version):
    """Whether or not the service takes borders for inside."""
    service = fresh(running)
    service.is_open, service.version, service.cap = is_open, version, 15
    service.places = [place(i, 118 + x / 1e6, 28 + y / 1e6) for i, (x, y) in enumerate(found)]
    with tempfile.TemporaryDirectory() as out:
        fetch(service, Path(out), page_size=10, rectangles=[(118.0, 28.0, 118.1, 28.1)])
        assert {row["id"] for row in read(Path(out))} == {p["id"] for p in service.places}


@given(
    west=st.integers(-50, 50), south=st.integers(-50, 50), width=st.integers(1, 40), height=st.integers(1, 40)
)
def test_quarters_cover_the_whole_and_get_smaller(west, south, width, height):
    cell = (west, south, west + width, south + height)
    parts = poi.quarters(cell)
    assert bool(parts) == (width >= 3 or height >= 3)
    for part in parts:
        assert part != cell and west <= part[0] < part[2] <= cell[2] and south <= part[1] < part[3] <= cell[3]
    if parts:
        for x in range(west + 1, cell[2]):
            for y in range(south + 1, cell[3]):
                assert any(w < x < e and s < y < n for w, s, e, n in parts)


def test_more_places_at_one_spot_than_a_query_gives_is_an_error_not_a_loss(service, tmp_path):
    service.cap = 30
    service.places = [place(i, 118.05, 28.05) for i in range(31)]
    with pytest.raises(BadInput, match="30 places or more lie at one spot"):
        fetch(service, tmp_path)


def test_a_short_page_is_not_the_end_where_the_total_is_known(service, tmp_path):
    """Version 3 takes duplicates out of a page after it has cut it."""
    service.version, service.places = 3, spread(60)
    service.withheld = {service.places[3]["id"]}
    fetch(service, tmp_path)
    assert len(read(tmp_path)) == 59


def test_a_polygon_leaves_out_rectangles_that_do_not_touch_it(service, tmp_path):
    service.cap = 30
    service.places = spread(400)
    fetch(service, tmp_path, rectangles=[], polygon=[(118.0, 28.0), (118.1, 28.0), (118.0, 28.1)])
    found = {row["id"] for row in read(tmp_path)}
    inside = {p["id"] for p in service.places if sum(map(float, p["location"].split(","))) - 146 < 0.1}
    assert inside <= found
    full = len(service.asked)
    service.asked.clear()
    fetch(service, tmp_path)
    assert full < len(service.asked)


def test_a_city_is_asked_for_by_name_and_cannot_be_split(service, tmp_path):
    service.places = spread(30)
    fetch(service, tmp_path, rectangles=[], city="330800")
    assert len(read(tmp_path)) == 30 and service.asked[0]["region"] == "330800"
    service.places = spread(200)
    with pytest.raises(BadInput, match="Give `rectangles` or a `polygon`"):
        fetch(service, tmp_path, rectangles=[], city="330800")


# Misbehaviour --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["10003", "10044"])
def test_a_used_up_quota_is_for_later(service, tmp_path, code):
    service.script = [None, {"status": "0", "info": f"OVER_LIMIT {KEY}", "infocode": code}]
    service.places = spread(30)
    with pytest.raises(SourceUnavailable, match=rf"quota is used up \(infocode {code}\)") as told:
        fetch(service, tmp_path)
    assert KEY not in str(told.value)


def test_too_many_requests_a_second_are_slowed_down(service, tmp_path):
    service.places = spread(30)
    service.script = [None, *[{"status": "0", "info": "QPS", "infocode": "10021"}] * 3]
    waits = []
    fetch(service, tmp_path, waits=waits, requests_per_s=4)
    assert len(read(tmp_path)) == 30
    assert waits == [0, 0.25, 1, 0.25, 2, 0.25, 4, 0.25]


def test_a_service_that_stays_busy_is_for_later(service, tmp_path):
    service.script = [{"status": "0", "info": "BUSY", "infocode": "10016"}] * 6
    with pytest.raises(SourceUnavailable, match=r"infocode 10016\) after 6 tries"):
        fetch(service, tmp_path)
    assert len(service.asked) == 6


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"status": "0", "info": "x", "infocode": "20000"}, r"infocode 20000\): a parameter is not as"),
        ({"status": "0", "info": "x", "infocode": f"1 {KEY}"}, r"infocode none\): look the code up"),
        ({"status": "0"}, "infocode none"),
        ({"status": "1", "pois": "none"}, "something else than a page of places"),
        ({"status": "1"}, "something else than a page of places"),
        (b"[1]", "something else than a page of places"),
        (b"<html>" + KEY.encode(), "something else than a page of places"),
        (b"[" * 100_000, "something else than a page of places"),
    ],
)  # fmt: skip
def test_any_other_refusal_is_told_and_not_tried_again(service, tmp_path, answer, told):
    service.script = [answer]
    with pytest.raises(BadInput, match=told) as error:
        fetch(service, tmp_path)
    assert KEY not in str(error.value) and "?" not in str(error.value)
    assert len(service.asked) == 1 and not list(tmp_path.iterdir())


def test_a_wrong_key_is_told_but_not_shown(service, tmp_path):
    with pytest.raises(BadInput, match="the key is wrong or has expired") as told:
        fetch(service, tmp_path, key="another-secret")
    assert "another-secret" not in str(told.value)


def test_a_connection_without_password_is_told_before_anything_is_asked(service, tmp_path):
    with pytest.raises(BadInput, match="the connection 'map' has no password"):
        fetch(service, tmp_path, key="")
    assert not service.asked


def test_requests_are_limited(service, tmp_path):
    service.places = spread(200)
    with pytest.raises(BadInput, match="more than 5 requests are needed"):
        fetch(service, tmp_path, request_limit=5)
    assert len(service.asked) == 5


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"city": "330800"}, "exactly one of"),
        ({"rectangles": []}, "exactly one of"),
        ({"rectangles": [(118.1, 28.0, 118.0, 28.1)]}, "west, south, east, north"),
        ({"rectangles": [], "polygon": [(1, 2), (3, 4)]}, "at least three corners"),
        ({"page_size": 26}, "less than or equal to 25"),
        ({"types": []}, "at least 1"),
        ({"key": "no"}, "Extra inputs"),
    ],
)
def test_a_wrong_profile_is_told(service, more, told):
    with pytest.raises(ValidationError, match=told):
        config(service, **more)


# Reading -------------------------------------------------------------------------------------------------------------


def page(tmp_path, *places):
    file = tmp_path / "pois-000001.json"
    file.write_text(json.dumps({"status": "1", "pois": list(places)}), encoding="utf-8")
    return file


def test_a_place_becomes_texts(tmp_path):
    file = page(tmp_path, place(1, 118.05, 28.05, photos=[{"url": "u"}], alias=["a", "b"]), {"id": "B2"})
    names = poi.columns(file)
    assert names == [
        "id", "name", "typecode", "address", "tel", "location", "lon", "lat", "biz_ext.rating", "biz_ext.cost",
        "adname", "photos", "alias",
    ]  # fmt: skip
    first, second = pa.Table.from_batches(poi.batches(file, names)).to_pylist()
    assert (first["lon"], first["lat"], first["location"]) == (
        "118.050000",
        "28.050000",
        "118.050000,28.050000",
    )
    assert first["address"] is first["tel"] is first["biz_ext.rating"] is None
    assert (first["photos"], first["alias"], first["biz_ext.cost"]) == ('[{"url": "u"}]', "a|b", "12")
    assert second == dict.fromkeys(names) | {"id": "B2"}


@pytest.mark.parametrize(
    ("location", "lon", "lat"),
    [([], None, None), ("118.1", "118.1", None), ("a,b,c", "a", "b,c"), (",", None, None)],
)
def test_a_location_that_is_none_is_left_for_the_mapping_to_refuse(tmp_path, location, lon, lat):
    file = page(tmp_path, {"id": "B1", "location": location})
    [row] = pa.Table.from_batches(poi.batches(file, ["lon", "lat"])).to_pylist()
    assert (row["lon"], row["lat"]) == (lon, lat)


def test_a_page_without_places_has_no_rows(tmp_path):
    assert poi.columns(page(tmp_path)) == [] and list(poi.batches(page(tmp_path), ["id"])) == []


# From page to place --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "limit_m"), [("gcj02", 0.01), ("bd09", 0.01)])
def test_places_on_the_map_become_places_on_the_ground(service, tmp_path, name, limit_m):
    """Eight decimals, so that the service's rounding (0.1 m at six) does not hide the conversion's error."""
    truth = np.random.default_rng(5).uniform((118.02, 28.02), (118.08, 28.08), (150, 2))
    shown = np.column_stack(datum.from_wgs84(*truth.T, name))
    service.places = [place(i, 0, 0, location=f"{lon:.8f},{lat:.8f}") for i, (lon, lat) in enumerate(shown)]
    fetch(service, tmp_path)
    rows = {row["id"]: row for row in read(tmp_path)}
    lon, lat = ([rows[f"B{i:06d}"][c] for i in range(len(truth))] for c in ("lon", "lat"))
    with duckdb.connect() as connection:
        datum.register(connection)
        connection.execute(
            "create table t as select unnest(?::varchar[]) lon, unnest(?::varchar[]) lat", [lon, lat]
        )
        found = connection.execute(
            f"""select here.lon as lon, here.lat as lat from (
                select {name}_to_wgs84(lon, lat) as here from (select lon::double as lon, lat::double as lat from t))"""
        ).fetchnumpy()
    off_m = Geod(ellps="WGS84").inv(*truth.T, found["lon"], found["lat"])[2]
    assert off_m.max() < limit_m
    assert Geod(ellps="WGS84").inv(*truth.T, *shown.T)[2].min() > 100
