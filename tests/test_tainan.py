"""The real city, counted again from its raw files with nothing of citycheck: pandas, shapely and pyproj only."""

import json
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

HALF_YEARS = ["2015H2", "2016H1", "2016H2", "2017H1", "2017H2", "2018H1", "2018H2", "2019H1"]
PUBLISHED = dict(zip(HALF_YEARS, [8370, 13226, 16437, 13274, 13138, 12771, 10933, 11359], strict=True))
"""Reports by half-year, as the source's own description counts them."""
COLUMNS = ["id", "at", "district", "service", "sub", "description", "address", "lat", "lon"]
RECOUNTED = "2018H1"
"""The half-year with most reports at the geocoder's default point."""

pytestmark = [pytest.mark.slow, pytest.mark.cities]


@pytest.fixture(scope="module")
def raw_reports(shared_data):
    files = sorted((shared_data / "tainan" / "1999_weekly").glob("*/*.csv"))
    reports = pd.concat([pd.read_csv(f, names=COLUMNS, dtype=str) for f in files if f.stat().st_size])
    at = pd.to_datetime(reports["at"])
    reports["half_year"] = at.dt.year.astype(str) + "H" + np.where(at.dt.month <= 6, "1", "2")
    return reports


@pytest.fixture(scope="module")
def villages(shared_data):
    """Code → polygon, decoded from the TopoJSON by hand."""
    from shapely import make_valid
    from shapely.geometry import MultiPolygon, Polygon

    topology = json.loads((shared_data / "tainan/boundaries_population/cunli.topo.json").read_text("utf-8"))
    scale, origin = np.array(topology["transform"]["scale"]), np.array(topology["transform"]["translate"])
    arcs = [np.cumsum(np.array(arc), axis=0) * scale + origin for arc in topology["arcs"]]

    def ring(numbers):
        parts = [arcs[n] if n >= 0 else arcs[~n][::-1] for n in numbers]
        return np.vstack([parts[0], *[part[1:] for part in parts[1:]]])

    [layer] = topology["objects"].values()
    found = {}
    for geometry in layer["geometries"]:
        parts = [geometry["arcs"]] if geometry["type"] == "Polygon" else geometry["arcs"]
        polygons = [Polygon(ring(outer), [ring(hole) for hole in holes]) for outer, *holes in parts]
        found[geometry["properties"]["VILLCODE"]] = make_valid(MultiPolygon(polygons))
    return found


def village_of(points: pd.DataFrame, villages) -> pd.Series:
    """The lowest code of the villages that each point lies in or on; none outside all."""
    from shapely import STRtree
    from shapely import points as make_points

    codes = sorted(villages)
    tree = STRtree([villages[code] for code in codes])
    which, where = tree.query(
        make_points(points["lon"].astype(float), points["lat"].astype(float)), predicate="intersects"
    )
    first = pd.Series(where).groupby(which).min()
    return pd.Series(
        [codes[first[i]] if i in first.index else None for i in range(len(points))], index=points.index
    )


@pytest.fixture(scope="module")
def marts(shared_data, tmp_path_factory):
    """The marts of one half-year, made by the steps without Airflow."""
    from citycheck import duck
    from citycheck import settings as settings_module
    from citycheck.cities.profile import load_city
    from citycheck.steps import index, ingest

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CITYCHECK_HOME", str(tmp_path_factory.mktemp("tainan")))
        patch.setenv("CITYCHECK_SOURCES", str(shared_data))
        settings_module.settings.cache_clear()
        load_city.cache_clear()
        for feed in ("communities", "facilities", "survey", "repair_reports"):
            about = ("tainan", feed, RECOUNTED)
            delivery = ingest.land(*about, datetime(2026, 1, 1, tzinfo=UTC))
            ingest.map_delivery(*about, delivery)
            ingest.gate(*about, delivery)
            ingest.accept(*about, delivery)
        build = index.freeze("tainan", RECOUNTED)
        index.build_all(build)
        with duck.connect(build.database, read_only=True) as connection:
            yield connection
    settings_module.settings.cache_clear()
    load_city.cache_clear()


def test_the_raw_files_hold_what_their_description_says(raw_reports):
    counted = raw_reports["half_year"].value_counts()
    assert {name: int(counted[name]) for name in HALF_YEARS} == PUBLISHED


def rounded(count: int) -> int:
    """As counts of reports are published."""
    return (count + 2) // 5 * 5


def test_reports_of_the_city_are_the_raw_rows(marts, raw_reports):
    [[city]] = marts.execute(
        "select reports from marts.repair_statistics where area_level = 'city' and category_code = 'all'"
    ).fetchall()
    assert city == rounded(PUBLISHED[RECOUNTED])


def test_reports_of_every_village_equal_an_independent_recount(marts, raw_reports, villages):
    reports = raw_reports[raw_reports["half_year"] == RECOUNTED].reset_index(drop=True)
    known = reports[~((reports["lat"] == "22.9997281") & (reports["lon"] == "120.2270277"))]
    expected = village_of(known, villages).value_counts()
    found = marts.execute(
        "select area_id, reports_located from marts.repair_statistics where area_level = 'community' and category_code = 'all'"
    ).fetchall()
    assert {code: n for code, n in found if n} == {
        code: rounded(n) for code, n in expected.items() if rounded(n)
    }


def test_parking_is_its_own_category(marts, raw_reports):
    reports = raw_reports[raw_reports["half_year"] == RECOUNTED]
    [[parking]] = marts.execute(
        "select reports from marts.repair_statistics where area_level = 'city' and category_code = 'parking'"
    ).fetchall()
    assert parking == rounded(int((reports["service"] == "違規停車").sum()))


@pytest.mark.parametrize("any_park", [True, False])
def test_residents_within_500_m_of_a_park_equal_an_independent_recount(
    marts, shared_data, villages, any_park
):
    from pyproj import Transformer
    from scipy.spatial import cKDTree

    folder = shared_data / "tainan"
    parks = pd.read_csv(folder / "facilities/park-info.csv", encoding="utf-8-sig")
    if not any_park:
        parks = parks[parks["面積"] * 10000 >= 150]  # the standard's minimum for an activity ground
    features = json.loads((folder / "boundaries_population/weight.json").read_text("utf-8"))["features"]
    people = pd.DataFrame(
        [(*f["geometry"]["coordinates"], f["properties"]["weight"]) for f in features],
        columns=["lon", "lat", "residents"],
    )
    people["village"] = village_of(people, villages)
    to_metres = Transformer.from_crs("EPSG:4326", "EPSG:3826", always_xy=True)
    tree = cKDTree(np.column_stack(to_metres.transform(parks["X座標"], parks["Y座標"])))
    distance, _ = tree.query(np.column_stack(to_metres.transform(people["lon"], people["lat"])))
    expected = people[(distance <= 500) & people["village"].notna()].groupby("village")["residents"].sum()
    column = "residents_any_within_500_m" if any_park else "residents_within_500_m"
    found = marts.execute(
        f"select area_id, {column} from marts.kind_access where area_level = 'community' and kind_code = 'F17'"
    ).fetchall()
    assert {code: n for code, n in found if n} == {code: n for code, n in expected.items() if n}


def test_what_the_city_does_not_have_is_insufficient_by_name_and_nothing_is_ranked(marts):
    assert marts.execute("select count(*) from marts.county_index where rank is not null").fetchone() == (0,)
    gaps = dict(
        marts.execute(
            "select indicator_code, missing_reason from marts.data_gaps where area_level = 'city'"
        ).fetchall()
    )
    assert gaps["GOV-7"] == "feed_missing"
    assert gaps["GOV-5"] == "times_missing"
    assert gaps["ELD-1"] in {"kind_not_surveyed", "group_unknown"}
    assert gaps["CUL-1"] == "size_unverified"
    assert "SPT-1" not in gaps
    [[share]] = marts.execute(
        "select distinct weight_available_pct from marts.index_scores where area_level = 'city'"
    ).fetchall()
    assert share == pytest.approx(9 * 0.35)


# Where the files are not beside the project ---------------------------------------------------------------------------


@pytest.fixture
def mirror(shared_data, tmp_path):
    """A server on loopback that has the pinned files under their paths, and Tainan's profile pointed at it."""
    import csv
    import functools
    import shutil
    import threading
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    from citycheck.cities.profile import City
    from citycheck.settings import settings

    class Silent(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    served, folder = tmp_path / "served", tmp_path / "cities" / "tainan"
    shutil.copytree(settings().cities / "tainan", folder)
    local = {"open1999": "1999_weekly", "basecode": "boundaries_population", "parks": "facilities"}
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Silent, directory=str(served)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with (folder / "files.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        target = served / row["source"] / row["path"]
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(shared_data / "tainan" / local[row["source"]] / row["path"], target)
        row["address"] = f"http://127.0.0.1:{server.server_port}/{row['source']}/{row['path']}"
    with (folder / "files.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    profile = folder / "profile.yml"
    profile.write_text(profile.read_text("utf-8").replace("raw.githubusercontent.com", "127.0.0.1"), "utf-8")
    yield City(folder), served
    server.shutdown()
    server.server_close()


def land(city, feed, root):
    from citycheck.lake import landing
    from citycheck.period import HalfYear
    from citycheck.settings import CityHome

    moment = datetime(2026, 1, 1, tzinfo=UTC)
    return landing.land(city, feed, HalfYear.parse(RECOUNTED), CityHome(root), root / "nothing here", moment)


@pytest.mark.parametrize("feed", ["communities", "facilities", "repair_reports"])
def test_pinned_files_are_downloaded_and_are_the_same_delivery(mirror, shared_data, tmp_path, feed):
    from citycheck.lake import landing
    from citycheck.period import HalfYear
    from citycheck.settings import CityHome

    city, _ = mirror
    downloaded = land(city, feed, tmp_path / "downloaded")
    beside = landing.land(
        city,
        feed,
        HalfYear.parse(RECOUNTED),
        CityHome(tmp_path / "beside"),
        shared_data,
        datetime(2026, 1, 1, tzinfo=UTC),
    )
    assert downloaded == beside
    assert len(downloaded.files) >= 2


def test_every_announced_change_of_a_village_is_read(shared_data, villages, tmp_path):
    """Told apart by a second reading of the texts, name by name; the day is Taipei's."""
    from citycheck.cities import mapping
    from citycheck.cities.profile import load_city
    from citycheck.lake import landing
    from citycheck.period import HalfYear
    from citycheck.privacy import hashing
    from citycheck.settings import CityHome

    def told(text):
        made_of = text.split("；")[0].split("、")
        if len(made_of) > 1:
            return "merged"
        return "split" if made_of[0].endswith(("新設", "(部分)")) else "boundary"

    home, moment = CityHome(tmp_path), datetime(2026, 1, 1, tzinfo=UTC)
    city = load_city("tainan")
    delivery = landing.land(city, "communities", HalfYear.parse(RECOUNTED), home, shared_data, moment)
    out, key = tmp_path / "changes.parquet", hashing.Key(bytes(32))
    landed = delivery.folder(home)
    mapping.map_table(city, delivery, landed, "community_changes", out, tmp_path / "work", "1GB", key)
    changes = pd.read_parquet(out)

    path = shared_data / "tainan/boundaries_population/cunli_changes_data.json"
    raw = json.loads(path.read_text("utf-8"))
    rows = [(code, *row) for code, rows in raw.items() for row in rows]
    days = {"107年1月29日": "2018-01-28T16:00", "107年4月30日": "2018-04-29T16:00"}
    expected = [(code, np.datetime64(days[day]), told(text), name) for code, _, name, text, day in rows]
    found = changes[["community_id", "changed_on", "change", "new_community_name"]]
    assert list(found.itertuples(index=False, name=None)) == expected
    assert changes["mapping_errors"].isna().all()
    assert changes["change"].value_counts().to_dict() == {"merged": 236, "boundary": 200, "split": 26}
    assert set(raw) <= set(villages)
    assert len(raw) == 307


def test_a_file_that_is_not_the_pinned_one_is_refused(mirror, tmp_path):
    from citycheck.errors import BadInput

    city, served = mirror
    with (served / "parks" / "park-info.csv").open("a", encoding="utf-8") as file:
        file.write("one row more\n")
    with pytest.raises(BadInput, match=r"parks/park-info\.csv: its SHA-256 is .*, expected .* as pinned"):
        land(city, "facilities", tmp_path / "downloaded")
    assert not (tmp_path / "downloaded" / "landing" / "facilities").exists()


def test_every_pinned_address_names_a_commit():
    import csv

    from citycheck.settings import settings

    with (settings().cities / "tainan" / "files.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 230
    for row in rows:
        assert row["address"].split("/")[2] == "raw.githubusercontent.com"
        assert len(row["address"].split("/")[5]) == 40 and len(row["sha256"]) == 64
