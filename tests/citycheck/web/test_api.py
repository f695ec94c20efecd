"""The interface for other systems: what it gives is what was published, and what it refuses it says."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import geopandas
import pytest
import shapely
from fastapi.testclient import TestClient

from citycheck.release import publish
from citycheck.settings import settings
from citycheck.web.api.kept import Kept

ROOT = "http://testserver/citycheck/api/v1"
LAYERS = ("communities", "streets", "counties", "facilities", "projects")


def got(asking: TestClient, path: str, **headers: str) -> Any:
    answer = asking.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def own(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the releases that a test may spoil."""
    monkeypatch.setenv("CITYCHECK_HOME", str(tmp_path / "own"))
    settings.cache_clear()
    yield shutil.copytree(published, tmp_path / "own" / "miniature" / "releases")


def as_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return f"{value.isoformat()}Z"
    return value.isoformat() if isinstance(value, date) else value


def rows_of(path: Path, where: str = "true") -> list[dict[str, Any]]:
    """What a parquet holds, by another reader."""
    found = duckdb.sql(f"select * from read_parquet('{path}') where {where}")
    names = found.columns
    return [dict(zip(names, map(as_json, row), strict=True)) for row in found.fetchall()]


# What is there --------------------------------------------------------------------------------------------------------


def test_everything_is_reached_by_links_from_the_landing_page(asking: TestClient) -> None:
    waiting, seen = [f"{ROOT}/"], set[str]()
    while waiting:
        address = waiting.pop()
        if address in seen:
            continue
        seen.add(address)
        answer = asking.get(address.removeprefix(ROOT))
        assert answer.status_code == 200, address
        if "json" in answer.headers["content-type"]:
            links = re.findall('"href": "(.*?)"', json.dumps(answer.json()))
            assert all(link.startswith(f"{ROOT}/") for link in links)
            waiting += links
    for wanted in (
        "/api",
        "/conformance",
        "/collections/streets",
        "/releases/2025H2/1",
        "/releases/2026H1/2/tables/areas",
    ):
        assert any(address.removeprefix(ROOT).split("?")[0] == wanted for address in seen)


def test_the_description_is_openapi_3_0_of_every_route(asking: TestClient) -> None:
    answer = asking.get("/api")
    assert answer.headers["content-type"] == "application/vnd.oai.openapi+json;version=3.0"
    described = answer.json()
    assert described["openapi"].startswith("3.0.") and described["servers"] == [{"url": ROOT}]
    assert described["paths"].keys() == {
        route.path.replace(":path", "")
        for route in asking.app.routes  # type: ignore[attr-defined]
    }
    assert '"type": "null"' not in json.dumps(described) and '"const"' not in json.dumps(described)
    assert all("422" not in operation["get"]["responses"] for operation in described["paths"].values())
    parameters = {
        p["name"]: p for p in described["paths"]["/collections/{collection}/items"]["get"]["parameters"]
    }
    assert parameters["bbox"]["explode"] is False and parameters["bbox"]["schema"]["type"] == "array"


def test_releases_are_told_with_what_became_of_them(asking: TestClient) -> None:
    told = got(asking, "/releases")["half_years"]
    versions = [
        (v["half_year"], v["version"], v["is_current"], v["is_withdrawn"])
        for h in told
        for v in h["versions"]
    ]
    assert versions == [("2025H2", 1, True, False), ("2026H1", 1, False, True), ("2026H1", 2, True, False)]
    assert got(asking, "/releases/2026H1") == told[1]


def test_a_version_says_how_to_check_it(asking: TestClient, published: Path) -> None:
    about = got(asking, "/releases/2026H1/2")
    folder = published / "2026H1" / "2"
    sealed = json.loads((folder / "manifest.json").read_text())
    assert about["release"]["fingerprint"] == sealed["fingerprint"] and about["key"] == sealed["key"]
    assert about["release"]["is_synthetic"] is True and about["withdrawal"] is None
    assert about["provenance"] == json.loads((folder / "provenance.json").read_text())
    for file in about["files"]:
        content = asking.get(file["href"].removeprefix(ROOT)).content
        assert content == (folder / file["path"]).read_bytes(), file["path"]
    assert {file["path"] for file in about["files"]} == {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    }


def test_a_version_from_before_releases_were_sealed_names_no_key(asking: TestClient) -> None:
    about = got(asking, "/releases/2025H2/1")
    assert about["key"] is None and about["release"]["published_at"] is None


# What was published, and nothing else ---------------------------------------------------------------------------------


def test_the_rows_are_those_of_the_files(asking: TestClient, published: Path) -> None:
    folder = published / "2026H1" / "2"
    tables = got(asking, "/releases/2026H1/2/tables")["tables"]
    assert {table["name"] for table in tables} == {path.stem for path in folder.glob("tables/*.parquet")}
    for table in tables:
        found = got(asking, f"/releases/2026H1/2/tables/{table['name']}?limit=10000")
        expected = rows_of(folder / f"tables/{table['name']}.parquet")
        assert found["rows"] == expected, table["name"]
        assert found["numberMatched"] == found["numberReturned"] == len(expected)
        assert [column["name"] for column in table["columns"]] == list(
            expected[0] if expected else table["key"]
        ) or not expected


@pytest.mark.parametrize(
    "wanted",
    [{"area_level": "county"}, {"area_level": "county", "area_id": "C1"}, {"area_id": "'"}],
)
def test_rows_are_filtered_by_equality(asking: TestClient, published: Path, wanted: dict[str, str]) -> None:
    where = " and ".join(
        f"{name} = '{value.replace(chr(39), chr(39) * 2)}'" for name, value in wanted.items()
    )
    expected = rows_of(published / "2026H1" / "2" / "tables" / "indicators.parquet", where)
    answer = asking.get("/releases/2026H1/2/tables/indicators", params={**wanted, "limit": "10000"}).json()
    assert answer["rows"] == expected and answer["numberMatched"] == len(expected)
    assert bool(expected) is (wanted != {"area_id": "'"})


@pytest.mark.parametrize("layer", LAYERS)
def test_features_are_those_of_the_layer(asking: TestClient, published: Path, layer: str) -> None:
    found = got(asking, f"/collections/{layer}/items?limit=10000")
    path = published / "2026H1" / "2" / "geometry" / f"{layer}.parquet"
    key = got(asking, f"/collections/{layer}")["key"]
    expected = {row[key]: row for row in rows_of(path)}
    assert [feature["id"] for feature in found["features"]] == sorted(expected)
    shapes = geopandas.read_parquet(path).set_index(key).geometry
    for feature in found["features"]:
        row = expected[feature["id"]]
        del row["geometry"]
        assert feature["properties"] == row
        shape = shapely.from_geojson(json.dumps(feature["geometry"]))
        assert shapely.equals(shape, shapes[feature["id"]])
        if layer not in ("facilities", "projects"):
            assert all(polygon.exterior.is_ccw for polygon in shape.geoms)


def test_hostile_names_are_text(asking: TestClient) -> None:
    answer = asking.get("/collections/communities/items?limit=10000")
    names = [feature["properties"]["community_name"] for feature in answer.json()["features"]]
    assert (
        "<script>alert(1)</script>社区" in names
        and "حي\u202e社区😀" in names
        and "=HYPERLINK(1)社区" in names
    )
    assert answer.headers["content-type"] == "application/geo+json"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_synthetic_is_said_wherever_the_data_is(asking: TestClient) -> None:
    one = got(asking, "/collections/communities/items?limit=1")["features"][0]["id"]
    for path in (
        "/", "/collections", "/collections/streets", "/collections/streets/items", f"/collections/communities/items/{one}",
        "/releases/2026H1/2", "/releases/2026H1/2/tables", "/releases/2026H1/2/tables/areas",
    ):  # fmt: skip
        assert got(asking, path)["release"]["is_synthetic"] is True


def test_what_is_not_in_the_pointer_is_not_published(asking: TestClient, own: Path) -> None:
    shutil.copytree(own / "2026H1" / "2", own / "2026H1" / "3")
    assert asking.get("/releases/2026H1/3").status_code == 404
    assert asking.get("/collections?half_year=2026H1&version=3").status_code == 404


def test_a_file_that_is_not_what_was_published_is_not_given(asking: TestClient, own: Path) -> None:
    for name in ("tables/areas.parquet", "geometry/streets.parquet"):
        path = own / "2026H1" / "2" / name
        path.chmod(0o644)
        path.write_bytes(path.read_bytes() + b"!")
    from citycheck.web.api import layers, releases, tables

    releases._opened.cache_clear()
    layers._kept.clear()
    tables._kept.clear()
    for address in ("tables/areas", "files/tables/areas.parquet"):
        answer = asking.get(
            f"/releases/2026H1/2/{address}?limit=7"
            if "files" not in address
            else f"/releases/2026H1/2/{address}"
        )
        assert answer.status_code == 500 and str(own) not in answer.text
    assert asking.get("/collections/streets/items?limit=7").status_code == 500


def test_a_release_from_before_there_was_a_layer_has_none_of_it(
    asking: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from citycheck.web.api import answers, app

    opened, gone = app.opened, "geometry/projects.parquet"
    monkeypatch.setattr(answers, "_kept", Kept(1 << 20, len))
    monkeypatch.setattr(
        app,
        "opened",
        lambda version: replace(
            opened(version), sums={path: of for path, of in opened(version).sums.items() if path != gone}
        ),
    )
    here = "?half_year=2025H2&version=1"
    listed = got(asking, f"/collections{here}")["collections"]
    assert [of["id"] for of in listed] == [layer for layer in LAYERS if layer != "projects"]
    for address in ("projects", "projects/items", "projects/items/P1"):
        answer = asking.get(f"/collections/{address}{here}")
        assert answer.status_code == 404 and "2025H2/1 has no layer projects" in answer.json()["detail"]


def test_projects_are_found_by_pool_status_and_action(asking: TestClient, published: Path) -> None:
    rows = rows_of(published / "2026H1" / "2" / "tables" / "projects.parquet", "site_lon is not null")
    for column in ("pool_code", "status_code", "action_code", "kind_code"):
        for code in {row[column] for row in rows if row[column]}:
            found = got(asking, f"/collections/projects/items?limit=1000&{column}={code}")["features"]
            assert [feature["id"] for feature in found] == sorted(
                row["project_id"] for row in rows if row[column] == code
            )
            points = {row["project_id"]: [row["site_lon"], row["site_lat"]] for row in rows}
            assert all(feature["geometry"]["coordinates"] == points[feature["id"]] for feature in found)


# Withdrawn ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/collections?half_year=2026H1&version=1",
        "/collections/streets?half_year=2026H1&version=1",
        "/collections/streets/items?version=1",
        "/collections/streets/items/S1?version=1",
        "/releases/2026H1/1/tables",
        "/releases/2026H1/1/tables/areas",
        "/releases/2026H1/1/files/manifest.json",
    ],
)
def test_the_data_of_a_withdrawn_version_is_gone(asking: TestClient, path: str) -> None:
    answer = asking.get(path)
    assert answer.status_code == 410
    assert "withdrawn" in answer.json()["detail"] and "撤回" in answer.json()["detail_zh"]


def test_from_the_notice_on_nothing_more_is_given(asking: TestClient, own: Path) -> None:
    """A withdrawal that was killed before its last write: the pointer does not say it yet."""
    last = "/releases/2026H1/2/tables/areas"
    assert asking.get(last).status_code == 200
    (own / "2026H1" / "2" / "WITHDRAWN.json").write_text('{"reason_en": "wrong"}')
    assert asking.get(last).status_code == 410


def test_a_withdrawn_version_says_why(asking: TestClient) -> None:
    about = got(asking, "/releases/2026H1/1")
    assert (
        about["is_withdrawn"]
        and about["withdrawal"]["reason_en"] == "wrong"
        and "signature" in about["withdrawal"]
    )


def test_when_a_half_year_is_withdrawn_the_one_before_is_the_last(asking: TestClient, own: Path) -> None:
    address = "/collections/counties/items"
    before = asking.get(address)
    last = publish.current(own, "2026H1")
    assert last is not None
    publish.withdraw(own, last, {"reason_en": "wrong", "reason_zh": "错"})
    assert asking.get("/collections?half_year=2026H1").status_code == 410
    after = asking.get(address, headers={"If-None-Match": before.headers["etag"]})
    assert after.status_code == 200 and after.json()["release"]["half_year"] == "2025H2"


def test_with_nothing_published_that_is_said(
    asking: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CITYCHECK_HOME", str(tmp_path))
    settings.cache_clear()
    assert got(asking, "/")["release"] is None and got(asking, "/releases")["half_years"] == []
    assert asking.get("/collections").status_code == 404


# Pages, places and times ----------------------------------------------------------------------------------------------


def test_the_pages_are_everything_once_and_of_one_release(asking: TestClient) -> None:
    everything = got(asking, "/collections/facilities/items?limit=10000")["features"]
    page = got(asking, "/collections/facilities/items?limit=7")
    paged, backwards = list(page["features"]), []
    while following := [link for link in page["links"] if link["rel"] == "next"]:
        assert "half_year=2026H1&version=2" in following[0]["href"]
        page = got(asking, following[0]["href"].removeprefix(ROOT))
        paged += page["features"]
    assert paged == everything and len(everything) > 14
    while True:
        backwards = page["features"] + backwards
        before = [link for link in page["links"] if link["rel"] == "prev"]
        if not before:
            break
        page = got(asking, before[0]["href"].removeprefix(ROOT))
    assert [feature["id"] for feature in backwards][-7:] == [feature["id"] for feature in everything][-7:]
    assert backwards[: len(page["features"])] == everything[: len(page["features"])]


def test_more_than_the_most_is_the_most(asking: TestClient) -> None:
    assert "limit=10000&" in got(asking, "/collections/streets/items?limit=99999")["links"][0]["href"]


@pytest.mark.parametrize("layer", LAYERS)
def test_a_box_gives_what_touches_it(asking: TestClient, layer: str) -> None:
    features = got(asking, f"/collections/{layer}/items?limit=10000")["features"]
    shapes = {f["id"]: shapely.from_geojson(json.dumps(f["geometry"])) for f in features}
    west, south, east, north = shapely.total_bounds(list(shapes.values()))
    middle, tried = ((west + east) / 2, (south + north) / 2), set()
    for box in (
        (west, south, *middle),
        (*middle, east, north),
        (west - 2, south, west - 1, north),
        (*middle, *middle),
    ):
        expected = [id_ for id_, shape in shapes.items() if shape.intersects(shapely.box(*box))]
        text = ",".join(map(str, box))
        found = got(asking, f"/collections/{layer}/items?limit=10000&bbox={text}")
        assert [feature["id"] for feature in found["features"]] == expected
        high = ",".join(map(str, (*box[:2], -5, *box[2:], 9000)))
        assert got(asking, f"/collections/{layer}/items?bbox={high}")["numberMatched"] == len(expected)
        tried.add(len(expected))
    assert 0 in tried and max(tried) > 0


def test_a_box_across_the_180th_meridian_goes_round(asking: TestClient) -> None:
    everything = got(asking, "/collections/communities/items")["numberMatched"]
    assert got(asking, "/collections/communities/items?bbox=100,-90,-170,90")["numberMatched"] == everything
    assert got(asking, "/collections/communities/items?bbox=170,-90,-170,90")["numberMatched"] == 0


@pytest.mark.parametrize(
    ("when", "is_in_it"),
    [
        ("2026-03-01", True),
        ("2026-03-01T00:00:00Z", True),
        ("2025-12-31T16:00:00Z", True),
        ("2025-12-31T15:59:59Z", False),
        ("2026-06-30T23:59:59+08:00", True),
        ("2026-07-01T00:00:00+08:00", False),
        ("2025-12-31", True),
        ("2025-01-01/2025-12-30", False),
        ("2025-01-01/2026-01-05", True),
        ("2026-06-01/..", True),
        ("2027-01-01T00:00:00Z/", False),
        ("../2025-06-01", False),
        ("/2026-02-01", True),
        ("../..", True),
    ],
)
def test_a_feature_is_of_the_whole_half_year(asking: TestClient, when: str, is_in_it: bool) -> None:
    found = asking.get("/collections/counties/items", params={"datetime": when}).json()
    assert (found["numberMatched"] > 0) is is_in_it


def test_the_extent_is_the_half_year_and_the_places(asking: TestClient) -> None:
    extent = got(asking, "/collections/communities")["extent"]
    assert extent["temporal"]["interval"] == [["2025-12-31T16:00:00Z", "2026-06-30T16:00:00Z"]]
    west, south, east, north = extent["spatial"]["bbox"][0]
    assert -180 <= west < east <= 180 and -90 <= south < north <= 90


# Refusals -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        "limt=1", "limit=0", "limit=-1", "limit=x", "limit=", "offset=-1", "limit=1&limit=2", "f=json",
        "bbox=1,2,3", "bbox=1,2,3,4,5", "bbox=a,b,c,d", "bbox=nan,0,1,1", "bbox=0,0,1e999,1", "bbox=", "bbox=0,9,1,8",
        "datetime=", "datetime=..", "datetime=yesterday", "datetime=2026-02-30", "datetime=2026-W01",
        "datetime=2026-01-01T00:00:00",
        "datetime=2026-06-01/2026-01-01", "datetime=2026-01-01/2026-02-01/2026-03-01", "datetime=2026-01-01T00:00:60Z",
        "half_year=2026", "version=0", "kind_code=K", "community_id=", "street_id=" + "x" * 201,
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused_in_one_sentence(asking: TestClient, query: str) -> None:
    answer = asking.get(f"/collections/communities/items?{query}")
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    said = answer.json()
    assert (said["type"], said["title"], said["status"]) == ("about:blank", "Bad Request", 400)
    assert said["detail"].endswith(".") and said["detail_zh"].endswith("。")


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/collections/roads",
        "/collections/roads/items",
        "/collections/streets/items/nobody",
        "/collections/streets/items?half_year=2019H1",
        "/collections/streets/items?half_year=2026H1&version=9",
        "/releases/2019H1",
        "/releases/2026H3",
        "/releases/2026H1/9",
        "/releases/2026H1/0",
        "/releases/2026H1/x",
        "/releases/2026H1/2/tables/nothing",
        "/releases/2026H1/2/tables/..%2fareas",
        "/releases/2026H1/2/files/nothing",
        "/releases/2026H1/2/files/../../CURRENT.json",
        "/releases/2026H1/2/files/..%2f..%2fCURRENT.json",
        "/releases/2026H1/2/files/%2e%2e/1/manifest.json",
        "/releases/2026H1/2/files//etc/passwd",
        "/releases/2026H1/2/files/tables/%2e%2e/manifest.json",
        "/releases/..%2f2026H1/2",
        "/releases/2026H1%00/2",
        "/docs",
        "/openapi.json",
    ],
)
def test_what_is_not_there_is_not_found(asking: TestClient, path: str) -> None:
    answer = asking.get(path)
    assert answer.status_code == 404, answer.text
    assert answer.headers["content-type"] == "application/problem+json" and answer.json()["detail_zh"]


def test_a_filter_by_a_column_that_is_not_there_names_those_that_are(asking: TestClient) -> None:
    answer = asking.get("/releases/2026H1/2/tables/areas?kind_code=K01")
    assert answer.status_code == 400
    assert "it can by: area_level, area_id." in answer.json()["detail"]


# How it travels -------------------------------------------------------------------------------------------------------

ITEMS = "/collections/communities/items?limit=5"


def test_an_answer_that_the_client_has_is_not_sent_again(asking: TestClient) -> None:
    first = asking.get(ITEMS)
    tag = first.headers["etag"]
    assert tag.startswith('"') and first.headers["cache-control"] == "private, no-cache"
    for said in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = asking.get(ITEMS, headers={"If-None-Match": said})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert asking.get(ITEMS, headers={"If-None-Match": '"other"'}).status_code == 200
    others = (
        "/collections/communities/items?limit=6",
        "/collections/streets/items?limit=5",
        f"{ITEMS}&half_year=2025H2",
    )
    assert len({tag, *(asking.get(other).headers["etag"] for other in others)}) == 4


def test_the_same_request_has_the_same_bytes(asking: TestClient) -> None:
    from citycheck.web.api import answers

    first = asking.get(ITEMS).content
    answers._kept.clear()
    assert asking.get(ITEMS).content == first


def test_behind_another_address_the_links_are_others(asking: TestClient) -> None:
    from citycheck.web.api import api

    there = TestClient(api, base_url="https://city.example", root_path="/airflow/citycheck/api/v1")
    here, other = asking.get(ITEMS), there.get(ITEMS)
    assert here.headers["etag"] != other.headers["etag"]
    assert other.json()["links"][0]["href"].startswith(
        "https://city.example/airflow/citycheck/api/v1/collections/"
    )


def test_compressed_is_another_answer_with_the_same_contents(asking: TestClient) -> None:
    plain = asking.get(ITEMS, headers={"Accept-Encoding": "identity"})
    with asking.stream("GET", ITEMS, headers={"Accept-Encoding": "gzip"}) as answer:
        sent = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip" and gzip.decompress(sent) == plain.content
    assert "content-encoding" not in plain.headers and plain.headers["vary"] == "Accept-Encoding"
    assert answer.headers["etag"] != plain.headers["etag"]
    refused = asking.get(ITEMS, headers={"Accept-Encoding": "gzip;q=0, identity"})
    assert "content-encoding" not in refused.headers


@pytest.mark.parametrize(
    "path", [ITEMS, "/", "/api", "/releases/2026H1/2/tables/areas", "/releases/2026H1/2/files/SHA256SUMS"]
)
def test_head_is_get_without_its_body(asking: TestClient, path: str) -> None:
    get, head = asking.get(path), asking.head(path)
    assert (head.status_code, head.content, head.headers) == (200, b"", get.headers)


def test_a_file_is_saved_and_not_shown(asking: TestClient) -> None:
    answer = asking.get("/releases/2026H1/2/files/index.html")
    assert answer.headers["content-disposition"] == "attachment"
    assert answer.headers["content-type"] == "application/octet-stream"


def test_times_in_answers_are_moments(asking: TestClient) -> None:
    said = got(asking, "/releases/2026H1/2")["release"]["published_at"]
    assert datetime.fromisoformat(said) == datetime(2026, 7, 16, 1, 30, tzinfo=UTC)
