"""land → map → gate → accept: every row is accounted for, and nothing counts before all of it does."""

import json
from datetime import UTC, datetime

import pyarrow.parquet as pq
import pytest

from citycheck.errors import BadInput, DiskFull, GateFailed, NotReady
from citycheck.lake import files, store
from citycheck.steps import ingest

MOMENT = datetime(2026, 7, 1, tzinfo=UTC)
ROW = "2026H1-000,2026-02-01 00:00:00,路灯,118.805,28.905\n"


def test_every_row_of_every_file_is_accounted_for(project):
    project.ingest("communities")
    path = project.files / "reports-2026H1.csv"
    path.write_text(path.read_text("utf-8") + ROW + "X,2026-02-01 00:00:00,飞碟,118.805,28.905\n", "utf-8")
    [row] = project.ingest("repair_reports")["ledger"]
    assert (row["rows_in"], row["rows_accepted"], row["rows_quarantined"], row["rows_duplicate"]) == (
        102,
        100,
        1,
        1,
    )
    lines = path.read_text("utf-8").splitlines()
    assert row["rows_in"] == len(lines) - 1


def test_what_is_quarantined_keeps_its_reason_and_its_place(project):
    project.ingest("communities")
    path = project.files / "reports-2026H1.csv"
    path.write_text(path.read_text("utf-8") + "X,2026-02-01 00:00:00,飞碟,118.805,28.905\n", "utf-8")
    entry = project.ingest("repair_reports")["tables"]["repair_reports"]
    assert entry["quarantined_by_reason"] == {"unknown_code": 1}
    [row] = pq.read_table(project.home.lake / entry["quarantine"]).to_pylist()
    assert (row["report_id"], row["source_row"], row["reason_codes"]) == ("X", 101, "unknown_code")


def test_the_lake_has_exactly_the_declared_columns(project):
    from citycheck.lake.tables import tables

    entry = project.ingest("communities")["tables"]["communities"]
    schema = pq.read_schema(project.home.lake / entry["accepted"])
    assert schema.names == tables()["communities"].schema.names


def test_a_feed_that_names_communities_waits_for_them(project):
    with pytest.raises(
        NotReady, match=r"communities 2026H1: nothing has been accepted yet. Run ingest_communities"
    ):
        project.ingest("repair_reports")


def test_too_many_bad_rows_stop_the_feed_and_nothing_counts(project):
    project.ingest("communities")
    path = project.files / "reports-2026H1.csv"
    path.write_text(path.read_text("utf-8").replace("路灯", "飞碟"), "utf-8")
    with pytest.raises(GateFailed, match="repair_reports"):
        project.ingest("repair_reports")
    with pytest.raises(NotReady):
        store.latest(project.home, "repair_reports", "2026H1")


def test_the_delivery_before_still_counts_when_the_next_one_is_bad(project):
    project.ingest("communities")
    project.ingest("repair_reports")
    before = store.latest(project.home, "repair_reports", "2026H1")
    path = project.files / "reports-2026H1.csv"
    path.write_text(path.read_text("utf-8").replace("路灯", "飞碟"), "utf-8")
    with pytest.raises(GateFailed):
        project.ingest("repair_reports")
    assert store.latest(project.home, "repair_reports", "2026H1") == before


def test_a_lost_row_is_noticed(project):
    project.ingest("communities")
    delivery = ingest.land("town", "facilities", "2026H1", MOMENT)
    ingest.map_delivery("town", "facilities", "2026H1", delivery)
    ingest.gate("town", "facilities", "2026H1", delivery)
    [counts] = project.home.work.glob("facilities/2026H1/*/counts.json")
    written = json.loads(counts.read_text())
    written[0]["rows_in"] += 1
    counts.write_text(json.dumps(written))
    with pytest.raises(
        BadInput, match=r"facilities\.csv \(facilities\): 3 rows came in, but 2 are accounted for"
    ):
        ingest.accept("town", "facilities", "2026H1", delivery)
    assert not (project.home.lake / "manifests" / "facilities").exists()


@pytest.mark.slow
def test_ingesting_twice_changes_no_byte(project):
    project.ingest_all()
    before = {p: p.read_bytes() for p in project.home.lake.rglob("*") if p.is_file()}
    project.ingest_all()
    assert {p: p.read_bytes() for p in project.home.lake.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("moved", [0, 1])
def test_accept_finishes_what_a_killed_one_began(project, moved, monkeypatch):
    project.ingest("communities")
    delivery = ingest.land("town", "facilities", "2026H1", MOMENT)
    ingest.map_delivery("town", "facilities", "2026H1", delivery)
    ingest.gate("town", "facilities", "2026H1", delivery)
    real, calls = store.put, []

    class Killed(BaseException):
        pass

    def put(*arguments):
        if len(calls) == moved:
            raise Killed
        calls.append(arguments)
        return real(*arguments)

    monkeypatch.setattr(store, "put", put)
    with pytest.raises(Killed):
        ingest.accept("town", "facilities", "2026H1", delivery)
    monkeypatch.setattr(store, "put", real)
    manifest = ingest.accept("town", "facilities", "2026H1", delivery)
    accepted = project.home.lake / manifest["tables"]["facilities"]["accepted"]
    assert store.sha256(accepted) == manifest["tables"]["facilities"]["accepted_sha256"]


def test_no_space_on_the_disk_is_one_sentence_and_leaves_nothing(project, monkeypatch):
    import errno
    import os

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    project.ingest("communities")
    monkeypatch.setattr(files, "fsync", full)
    delivery = "0" * 16
    with pytest.raises(DiskFull, match="no space is left on the disk; nothing was changed"):
        files.write_json(project.home.lake / "manifests" / "survey" / "2026H1.json", {"delivery": delivery})
    assert list((project.home.lake / "manifests" / "survey").iterdir()) == []


def test_a_feed_that_does_not_exist_is_refused_before_anything_is_touched(project):
    with pytest.raises(BadInput, match=r"There is no feed '../victim': expected one of communities"):
        ingest.land("town", "../victim", "2026H1", MOMENT)
    assert not project.home.landing.exists()


def test_a_delivery_that_the_gate_stopped_cannot_be_accepted(project):
    project.ingest("communities")
    path = project.files / "reports-2026H1.csv"
    path.write_text(path.read_text("utf-8").replace("路灯", "飞碟"), "utf-8")
    with pytest.raises(GateFailed):
        project.ingest("repair_reports")
    delivery = ingest.land("town", "repair_reports", "2026H1", MOMENT)
    with pytest.raises(GateFailed, match="the gate stopped delivery"):
        ingest.accept("town", "repair_reports", "2026H1", delivery)


def test_landing_that_was_edited_is_noticed_and_brought_again(project):
    project.ingest("communities")
    delivery = ingest.land("town", "communities", "2026H1", MOMENT)
    [landed] = project.home.landing.glob("communities/2026H1/*/town/buildings.csv")
    original = landed.read_bytes()
    landed.write_bytes(original.replace(b"1000", b"9999"))
    with pytest.raises(BadInput, match=r"buildings\.csv: is not the file that landed"):
        ingest.map_delivery("town", "communities", "2026H1", delivery)
    assert ingest.land("town", "communities", "2026H1", MOMENT) == delivery
    assert landed.read_bytes() == original


@pytest.mark.slow
def test_rows_checked_against_other_communities_are_not_built_on(project):
    from citycheck.steps import index

    project.ingest_all()
    accepted = store.latest(project.home, "repair_reports", "2026H1")["tables"]["repair_reports"]
    units = json.loads((project.files / "units.json").read_text("utf-8"))
    units["features"].pop()
    project.write("units.json", json.dumps(units))
    project.ingest("communities", moment=datetime(2026, 7, 21, tzinfo=UTC))
    with pytest.raises(NotReady, match="was checked against other communities than those accepted now"):
        index.freeze("town", "2026H1")
    project.ingest("facilities")
    project.ingest("repair_reports")
    index.freeze("town", "2026H1")
    assert store.sha256(project.home.lake / accepted["accepted"]) == accepted["accepted_sha256"]


def test_work_that_was_deleted_is_one_sentence(project):
    import shutil

    delivery = ingest.land("town", "communities", "2026H1", MOMENT)
    ingest.map_delivery("town", "communities", "2026H1", delivery)
    ingest.gate("town", "communities", "2026H1", delivery)
    shutil.rmtree(project.home.work)
    with pytest.raises(BadInput, match="Run the ingest again from the task `map_rows`"):
        ingest.accept("town", "communities", "2026H1", delivery)
