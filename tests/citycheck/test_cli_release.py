"""What `citycheck calendar` prints."""

from __future__ import annotations

import shutil

import pytest
from typer.testing import CliRunner

from citycheck.cities.profile import City
from citycheck.cli_release import app
from citycheck.disclosure import audit
from citycheck.release import calendar
from citycheck.release.publication import RELEASE_CALENDAR
from citycheck.settings import settings

IN_TIME = "2026H1,preliminary,2026-07-20T09:30,2026-06-10,工单迟到,reports came late,统计处 statistics office"
LATE = "2026H1,verified,2026-08-20T09:30,2026-08-18,停电,no power,统计处 statistics office"


def test_the_calendar_tells_the_reference_date_and_what_was_announced_late(tmp_path, monkeypatch):
    shutil.copytree(settings().cities / "quzhou_sample", tmp_path / "quzhou_sample")
    city = City(tmp_path / "quzhou_sample")
    (city.folder / RELEASE_CALENDAR).write_text(
        "\n".join([",".join(calendar.COLUMNS), IN_TIME, LATE]) + "\n", encoding="utf-8"
    )
    monkeypatch.setattr("citycheck.cities.profile.load_city", lambda _: city)
    monkeypatch.setattr(calendar, "table", lambda about, _: calendar.entries(about, "2026H1"))
    done = CliRunner().invoke(app, ["calendar"])
    assert done.exit_code == 0
    preliminary, verified, final = done.stdout.splitlines()
    assert preliminary.startswith("2026H1  as of 2026-06-30  preliminary  2026-07-20 09:30")
    assert "changed on 2026-06-10: 工单迟到 reports came late" in preliminary
    assert "changed on 2026-08-18 (announced late): 停电 no power" in verified
    assert final.endswith("counts what is known by 2026-12-28 00:00")


@pytest.mark.parametrize(
    ("recovered", "status"), [((), 0), (("survey_needs N01, community C1 all: determined",), 1)]
)
def test_the_audit_of_disclosure_fails_when_it_recovers(monkeypatch, recovered, status):
    finding = audit.Finding(("1",), 9, 2, recovered, 5.0, 0.1)
    monkeypatch.setattr(audit, "attacks", lambda _: [finding])
    done = CliRunner().invoke(app, ["audit-disclosure", "1"])
    assert done.exit_code == status
    assert f"{len(recovered)} recovered" in done.stdout
