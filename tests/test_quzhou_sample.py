"""The embedded city through every step: planted defects are found by id, rows add up, bytes repeat, kills do no harm."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path

import approving
import duckdb
import pyarrow.parquet as pq
import pytest

from citycheck import duck, standard
from citycheck import settings as settings_module
from citycheck.cities.profile import load_city
from citycheck.errors import NothingToDo
from citycheck.lake import store
from citycheck.lake.tables import tables
from citycheck.release.publish import current, verify
from citycheck.steps import index, ingest
from citycheck.steps import release as release_steps

pytestmark = [pytest.mark.slow, pytest.mark.cities]
CITY, HALF_YEAR = "quzhou_sample", "2026H1"
ENCODINGS = {"survey_paper.csv": "gb18030"}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """The embedded city with all four feeds of two half-years in its lake, and the first of them released."""
    root = tmp_path_factory.mktemp("quzhou")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CITYCHECK_HOME", str(root))
        settings_module.settings.cache_clear()
        load_city.cache_clear()
        for half_year in ("2025H2", HALF_YEAR):
            for feed in ("communities", "facilities", "survey", "repair_reports"):
                delivery = ingest.land(CITY, feed, half_year, datetime(2026, 11, 1, tzinfo=UTC))
                ingest.map_delivery(CITY, feed, half_year, delivery)
                ingest.gate(CITY, feed, half_year, delivery)
                ingest.accept(CITY, feed, half_year, delivery)
        build = index.freeze(CITY, "2025H2")
        index.build_all(build)
        index.gate_marts(build)
        release_steps.stage(build)
        approving.publish(build)
        yield settings_module.settings().city_home(CITY)
    settings_module.settings.cache_clear()
    load_city.cache_clear()


def manifests(home):
    return [store.latest(home, feed, HALF_YEAR) for feed in load_city(CITY).profile.provided_feeds]


def quarantined(home):
    """(table, key) → reason codes; a row without key is named by its file and number."""
    found = {}
    for manifest in manifests(home):
        for table, entry in manifest["tables"].items():
            if table not in tables():
                continue  # made of rows that were judged before
            key = tables()[table].key[0]
            for row in pq.read_table(home.lake / entry["quarantine"]).to_pylist():
                name = row[key] or f"{row['source_file'].split('/', 1)[1]}:{row['source_row']}"
                found.setdefault((table, name), set()).update(row["reason_codes"].split(";"))
    return found


def planted(home):
    with (home.root / "source" / HALF_YEAR / "planted_defects.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_planted_defect_is_quarantined_by_id_for_its_reason(home):
    found = quarantined(home)
    expected = {
        (row["table_name"], row["key"]): {row["reason_code"]}
        for row in planted(home)
        if row["reason_code"] not in ("duplicate", "repaired", "disconnected", "not_snapped")
    }
    assert len(expected) > 100
    assert found == expected


def test_planted_duplicates_are_counted_and_accepted_once(home):
    wanted = Counter(row["table_name"] for row in planted(home) if row["reason_code"] == "duplicate")
    ledger = [row for manifest in manifests(home) for row in manifest["ledger"]]
    counted = Counter()
    for row in ledger:
        counted[row["table_name"]] += row["rows_duplicate"]
    assert counted == wanted
    assert sum(wanted.values()) > 5


def test_the_repaired_polygon_is_accepted_and_listed(home):
    [row] = [row for row in planted(home) if row["reason_code"] == "repaired"]
    entry = store.latest(home, "communities", HALF_YEAR)["tables"]["communities"]
    repaired = [
        r["community_id"]
        for r in pq.read_table(home.lake / entry["accepted"]).to_pylist()
        if r["is_geometry_repaired"]
    ]
    assert repaired == [row["key"]]


def test_rows_in_equal_an_independent_count_of_the_files(home):
    """A file that the profile maps twice, for two figures of a row, is counted twice."""
    profile = load_city("quzhou_sample").profile
    for manifest in manifests(home):
        for row in manifest["ledger"]:
            source, path = row["source_file"].split("/", 1)
            file = home.landing / manifest["feed"] / HALF_YEAR / manifest["delivery"] / source / path
            if path.endswith(".csv"):
                encoding = ENCODINGS.get(Path(path).name, "utf-8-sig")
                maps = [t.files for t in profile.tables_of(manifest["feed"]) if t.table == row["table_name"]]
                with file.open(encoding=encoding, newline="") as text:
                    rows = sum(1 for _ in csv.reader(text)) - 1
                assert row["rows_in"] == rows * sum(fnmatch(path, files) for files in maps)
            gone = row["rows_quarantined"] + row["rows_duplicate"] + row["rows_out_of_scope"]
            assert row["rows_in"] == row["rows_accepted"] + gone


def test_no_personal_data_gets_past_landing(home):
    """Names, numbers and free text of the exports stay in landing; the synthetic ones are marked, so they can be found."""
    marks = ["合成受访者", "000-0000", "姓名", "手机号", "联系电话"]
    assert any(
        mark in path.read_bytes().decode("utf-8", "ignore")
        for path in home.landing.rglob("*.csv")
        for mark in marks
    )
    seen = 0
    for folder in (home.lake, home.releases, home.data_docs, home.warehouse):
        for path in filter(Path.is_file, folder.rglob("*")):
            seen += 1
            assert not [mark for text in _texts(path) for mark in marks if mark in text], path
    assert seen > 50


def _texts(path):
    """What a reader of the file would read: values that a table packs away are unpacked, geometry is left out."""
    if path.suffix not in (".parquet", ".duckdb"):
        return [path.read_bytes().decode("utf-8", "ignore")]
    with duck.connect(path, read_only=True) if path.suffix == ".duckdb" else duckdb.connect() as connection:
        if path.suffix == ".parquet":
            connection.execute(f"create view file as from read_parquet('{path}')")
        columns = connection.execute(
            """
            select table_schema, table_name, column_name from information_schema.columns
            where regexp_matches(data_type, 'VARCHAR|JSON|STRUCT|MAP')
            """
        ).fetchall()
        return [
            text or ""
            for schema, table, column in columns
            for [text] in connection.execute(
                f"""select string_agg(distinct "{column}"::varchar, chr(10)) from "{schema}"."{table}" """
            ).fetchall()
        ]


def test_the_whole_index_is_computed_and_differs_by_county(home):
    release = current(home.releases, "2025H2")
    counties = pq.read_table(release.path / "tables" / "county_index.parquet").to_pylist()
    assert sorted(row["rank"] for row in counties) == [1, 2, 3, 4, 5, 6]
    assert all(45 < row["index_score"] < 90 and row["weight_available_pct"] > 95 for row in counties)
    indicators = pq.read_table(release.path / "tables" / "indicators.parquet").to_pylist()
    known = {
        row["indicator_code"] for row in indicators if row["area_level"] == "city" and row["status"] == "ok"
    }
    own = {code for code in known if code.startswith("QZ-")}
    assert known - own == set(standard.codes("indicators", "indicator_code"))
    assert len(known - own) == 40
    assert own == {"QZ-1", "QZ-2", "QZ-3", "QZ-4"}


def test_every_view_of_the_marts_opens_where_analysts_find_them(home):
    with duck.connect(home.warehouse / "2025H2.duckdb", read_only=True) as connection:
        names = connection.execute(
            "select schema_name, view_name from duckdb_views() where not internal"
        ).fetchall()
        assert len(names) > 10
        for schema, view in names:
            connection.execute(f'select * from "{schema}"."{view}" limit 1')


# Kills and repeats ---------------------------------------------------------------------------------------------------


def run(home, code: str) -> subprocess.Popen:
    """A process of its own that does one thing with the build of the second half-year."""
    environment = os.environ | {
        "CITYCHECK_HOME": str(home.root.parent),
        "CITYCHECK_CITY": CITY,
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    code = f"import approving; from citycheck.steps import index, release; build = index.freeze({CITY!r}, {HALF_YEAR!r}); {code}"
    return subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        cwd=settings_module.settings().project, start_new_session=True,
    )  # fmt: skip


def finish(home, code: str) -> None:
    assert run(home, code).wait(timeout=300) == 0


def kill_when(process: subprocess.Popen, begun) -> None:
    deadline = time.monotonic() + 240
    while not begun():
        assert process.poll() is None and time.monotonic() < deadline, "ended before it could be killed"
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def bytes_of(release: Path) -> dict[str, bytes]:
    return {
        path.relative_to(release).as_posix(): path.read_bytes()
        for path in release.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def release(home):
    """The release of the second half-year as it comes when nothing interrupts it."""
    finish(
        home,
        "index.build_all(build); index.gate_marts(build); release.stage(build); approving.publish(build)",
    )
    return bytes_of(current(home.releases, HALF_YEAR).path)


@pytest.fixture
def interrupted(home, release, tmp_path):
    """The same city in another folder, where the second half-year is not released yet."""
    target = tmp_path / CITY
    for name in ("lake", "landing", "releases"):
        shutil.copytree(home.root / name, target / name)
    shutil.copytree(
        home.root.parent / "secrets", tmp_path / "secrets"
    )  # the same key signs the same bytes alike
    (target / "releases" / HALF_YEAR).chmod(0o755)
    shutil.rmtree(target / "releases" / HALF_YEAR)
    pointer = target / "releases" / "CURRENT.json"
    pointed = json.loads(pointer.read_text("utf-8"))
    del pointed[HALF_YEAR]
    pointer.write_text(json.dumps(pointed), "utf-8")
    return settings_module.CityHome(target)


def test_builds_that_are_killed_in_dbt_stage_and_publish_run_again_to_the_same_bytes(interrupted, release):
    """The same inputs in another folder, killed three times: not one byte of the release differs."""
    city = interrupted
    kill_when(
        run(city, "index.build_all(build)"), lambda: list((city.warehouse / ".building").rglob("*.duckdb"))
    )
    assert not list((city.warehouse / HALF_YEAR).rglob("*.duckdb"))
    finish(city, "index.build_all(build); index.gate_marts(build)")
    kill_when(run(city, "release.stage(build)"), lambda: list(city.work.glob("index/*/*/.bundle.*")))
    assert not list(city.work.glob("index/*/*/bundle"))
    finish(city, "release.stage(build)")
    kill_when(run(city, "approving.publish(build)"), lambda: (city.releases / ".staging").exists())
    for found in (city.releases / HALF_YEAR).glob("[0-9]*"):
        assert verify(found) == []
    assert verify(current(city.releases, "2025H2").path) == []
    finish(city, "approving.publish(build)")
    assert bytes_of(current(city.releases, HALF_YEAR).path) == release


def test_the_same_inputs_are_published_once(home, release):
    """A run begun again has nothing to do; one that was begun before and comes late is refused."""
    build = index.freeze(CITY, HALF_YEAR)
    assert index.is_released(build)
    with pytest.raises(NothingToDo, match="its verified version counts what is known by 2026-08-15 00:00"):
        index.begin(CITY, HALF_YEAR, now=datetime(2026, 7, 20, tzinfo=UTC), is_automatic=True)
    with pytest.raises(NothingToDo, match="made from exactly these inputs"):
        index.begin(
            CITY, HALF_YEAR, now=datetime(2026, 7, 20, tzinfo=UTC),
            request=index.Request("correction", "错", "wrong", "citycheck"),
        )  # fmt: skip
    release_steps.stage(build)
    with pytest.raises(NothingToDo, match="nothing is published twice"):
        approving.publish(build)
    assert [path.name for path in (home.releases / HALF_YEAR).iterdir()] == ["1"]
    assert bytes_of(current(home.releases, HALF_YEAR).path) == release
