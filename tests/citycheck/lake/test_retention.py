"""Retention: old files go, receipts stay; nothing that is young, in use or not ours is touched."""

import json
import logging
import os
import shutil
import stat
from datetime import UTC, datetime, timedelta

import pytest

from citycheck.errors import BadInput
from citycheck.lake import landing, retention
from citycheck.lake.retention import Purged, purge
from citycheck.settings import CityHome

NOW = datetime(2026, 7, 1, tzinfo=UTC)
OLD, YOUNG = NOW - timedelta(days=401), NOW - timedelta(days=399)


class Landing:
    def __init__(self, root):
        self.home = CityHome(root)
        self.home.landing.mkdir(mode=0o700)

    def put(self, name, *moments, **more):
        """A delivery of two files (synthetic), received at the moments."""
        folder = self.home.landing / "survey" / "2025H1" / name
        (folder / "kobo" / "page").mkdir(parents=True)
        files = []
        for path in ("a.csv", "page/1.json"):
            (folder / "kobo" / path).write_text("name,phone\n")
            files.append({"source": "kobo", "path": path, "sha256": "0" * 64, "bytes": 11})
        receipt = {"id": name, "files": files, "receipts": [moment.isoformat() for moment in moments]}
        (folder / "receipt.json").write_text(json.dumps(receipt | more))
        return folder


@pytest.fixture
def landed(tmp_path):
    return Landing(tmp_path)


def left(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


EVERYTHING = ["kobo/a.csv", "kobo/page/1.json", "receipt.json"]


def test_files_of_an_old_delivery_go_and_its_receipt_stays(landed):
    old, young = landed.put("old", OLD), landed.put("young", YOUNG)
    before = json.loads((old / "receipt.json").read_text())
    assert purge(landed.home, NOW, 400) == [Purged("survey", "2025H1", "old", 2, 22)]
    assert left(old) == ["receipt.json"] and left(young) == EVERYTHING
    assert json.loads((old / "receipt.json").read_text()) == before | {"purged_at": NOW.isoformat()}


def test_the_last_receipt_counts_whatever_the_order(landed):
    folder = landed.put("again", OLD, YOUNG, OLD - timedelta(days=9))
    assert purge(landed.home, NOW, 400) == [] and left(folder) == EVERYTHING


def test_exactly_the_period_is_kept(landed):
    folder = landed.put("edge", NOW - timedelta(days=400))
    assert purge(landed.home, NOW, 400) == []
    assert len(purge(landed.home, NOW + timedelta(seconds=1), 400)) == 1 and left(folder) == ["receipt.json"]


def test_a_receipt_of_the_form_before_is_understood(landed):
    folder = landed.put("before", YOUNG)
    (folder / "receipt.json").write_text(json.dumps({"files": [], "received_at": OLD.isoformat()}))
    assert [told.id for told in purge(landed.home, NOW, 400)] == ["before"]


def test_purging_twice_is_purging_once(landed):
    folder = landed.put("old", OLD)
    purge(landed.home, NOW, 400)
    before = (folder / "receipt.json").read_bytes()
    assert purge(landed.home, NOW + timedelta(days=1), 400) == []
    assert (folder / "receipt.json").read_bytes() == before


@pytest.mark.parametrize("after", [0, 1])
def test_a_purge_that_was_killed_is_finished_by_the_next(landed, monkeypatch, after):
    folder = landed.put("old", OLD)
    (folder / "paper").mkdir()

    class Killed(BaseException):
        pass

    real, calls = shutil.rmtree, []

    def killed(path, *more, **options):
        if len(calls) == after:
            raise Killed
        calls.append(path)
        real(path, *more, **options)

    monkeypatch.setattr(retention.shutil, "rmtree", killed)
    with pytest.raises(Killed):
        purge(landed.home, NOW, 400)
    monkeypatch.setattr(retention.shutil, "rmtree", real)
    assert len(purge(landed.home, NOW + timedelta(days=1), 400)) == 1
    assert left(folder) == ["receipt.json"]
    assert json.loads((folder / "receipt.json").read_text())["purged_at"] == NOW.isoformat()


@pytest.mark.parametrize("lock", ["landing/.staging/survey-2025H1.lock", "scratch/survey/2025H1/.lock"])
def test_what_an_ingest_works_on_is_left_alone(landed, lock, caplog):
    folder = landed.put("old", OLD)
    caplog.set_level(logging.INFO)
    with landing.exclusive(landed.home.root / lock):
        assert purge(landed.home, NOW, 400) == []
        assert left(folder) == EVERYTHING and "an ingest works on it" in caplog.text
    assert len(purge(landed.home, NOW, 400)) == 1


def test_what_killed_runs_left_goes_after_a_day(landed):
    staging = landed.home.landing / ".staging"
    for name, age in (
        ("survey-2026H1", 25),
        ("survey-2026H1-reading", 25),
        ("repair_reports-2026H1", 23),
        ("facilities-2026H1", 25),
    ):
        (staging / name / "kobo").mkdir(parents=True)
        moment = (NOW - timedelta(hours=age)).timestamp()
        os.utime(staging / name, (moment, moment))
    with landing.exclusive(staging / "facilities-2026H1.lock"):
        purge(landed.home, NOW, 400)
    assert sorted(path.name for path in staging.iterdir() if path.is_dir()) == [
        "facilities-2026H1",
        "repair_reports-2026H1",
    ]


def test_landing_is_made_private_again_and_that_is_told(landed, caplog):
    folder = landed.put("young", YOUNG)
    landed.home.landing.chmod(0o755)
    purge(landed.home, NOW, 400)
    assert "had not mode 0700" in caplog.text
    for path in (landed.home.landing, folder, folder / "kobo" / "page"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    caplog.clear()
    purge(landed.home, NOW, 400)
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING] == []


def test_one_line_a_delivery_is_logged(landed, caplog):
    landed.put("old", OLD)
    landed.put("young", YOUNG)
    caplog.set_level(logging.INFO)
    purge(landed.home, NOW, 400)
    assert [r.getMessage() for r in caplog.records if "purged" in r.getMessage()] == [
        "landing survey 2025H1 old: purged 2 files, 22 bytes"
    ]


def test_a_damaged_receipt_stops_no_other_delivery(landed):
    damaged, old = landed.put("damaged", OLD), landed.put("old", OLD)
    (damaged / "receipt.json").write_text('{"files": []}')
    with pytest.raises(BadInput, match=r"damaged/receipt\.json: is damaged"):
        purge(landed.home, NOW, 400)
    assert left(old) == ["receipt.json"] and left(damaged) == EVERYTHING


def test_a_link_out_of_landing_is_removed_but_not_followed(landed, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept.csv").write_text("x")
    folder = landed.put("old", OLD)
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    purge(landed.home, NOW, 400)
    assert left(folder) == ["receipt.json"] and (tmp_path / "elsewhere" / "kept.csv").exists()


@pytest.mark.parametrize("days", [0, -1])
def test_a_period_of_no_days_is_refused(landed, days):
    folder = landed.put("old", OLD)
    with pytest.raises(BadInput, match="landing_retention_days is"):
        purge(landed.home, NOW, days)
    assert left(folder) == EVERYTHING


def test_a_city_without_landing_has_nothing_to_purge(tmp_path):
    assert purge(CityHome(tmp_path / "nowhere"), NOW, 400) == []
    assert not (tmp_path / "nowhere").exists()
