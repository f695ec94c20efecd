"""Several hosts of a city with one bucket: what is published or withdrawn by one is there for all, whoever dies when."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import random
import signal
import time
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from bucket import LOGIN, SECRET, ended, forked, serving

from citycheck import settings as settings_module
from citycheck.errors import BadInput, SourceUnavailable
from citycheck.lake.files import write_json
from citycheck.release import publish as releases
from citycheck.release.checksums import write_sums
from citycheck.release.publication import Publication
from citycheck.release.verify import verify
from citycheck.settings import settings
from citycheck.steps import inputs, release, shelf
from citycheck.steps.index import Build

HALF_YEAR = "2026H1"
NOW = datetime(2026, 11, 1, 1, 30, tzinfo=UTC)
KILLS = 20
SEED = 20260701
_NAMES = count()


@pytest.fixture(scope="module")
def endpoint():
    with serving() as address:
        yield address


class Host:
    """A home of the city `town`. `enter` lets the settings of this process be about it."""

    def __init__(self, root: Path, key: bytes):
        self.root, self.key = root, base64.b64encode(key).decode()

    def enter(self) -> Host:
        os.environ["CITYCHECK_HOME"] = str(self.root)
        os.environ["AIRFLOW_CONN_SIGNING"] = json.dumps({"password": self.key})
        settings_module.settings.cache_clear()
        return self

    @property
    def releases(self) -> Path:
        return self.root / "town" / "releases"

    def refresh(self) -> None:
        self.enter()
        shelf.bring_up_to_date(settings().city_home("town"))

    def candidate(self, text: str) -> Build:
        """A staged and approved candidate of some files for the next version, without marts that it would come from."""
        self.enter()
        home = settings().city_home("town")
        number = releases.next_version(home.releases, HALF_YEAR)
        out = tuple(inputs.published_before(home, HALF_YEAR))
        kind = "scheduled_revision" if out else "initial"
        publication = Publication(
            HALF_YEAR, number, kind, "verified", supersedes=out[-1] if out else None, earlier=out
        )
        build = Build("town", HALF_YEAR, f"{next(_NAMES):016x}")
        provenance = {
            "city": "town", "half_year": HALF_YEAR, "inputs": [],
            "code_version": "0.1.0", "code_commit": "0" * 40, "code_sha256": "0" * 64,
            "build": build.id, "publication": publication.as_json(),
        }  # fmt: skip
        build.work.mkdir(parents=True)
        write_json(
            build.inputs, {"provenance": provenance, "publication": publication.as_json(), "calendar": []}
        )
        (build.staged / "tables").mkdir(parents=True)
        for table in range(6):
            (build.staged / f"tables/t{table}.csv").write_text(f"{text}{table}\n" * 500, "utf-8")
        write_json(build.staged / "provenance.json", provenance)
        (build.staged / "index.html").write_text("<!DOCTYPE html>", "utf-8")
        write_sums(build.staged)
        build.database.parent.mkdir(parents=True, exist_ok=True)
        build.database.write_bytes(b"marts")
        release.decide(
            build, is_approved=True, decided_by="tester", decided_at=NOW.isoformat(), reason="looked at"
        )
        return build

    def publish(self, text: str) -> releases.Release:
        return release.publish(self.candidate(text), NOW)

    def withdraw(self, version: int, reason: str) -> releases.Release:
        self.enter()
        return release.withdraw(
            "town", HALF_YEAR, version, reason_zh="错误", reason_en=reason, responsible="citycheck", now=NOW
        )

    def shown(self) -> dict[int, tuple[str, bool]]:
        """The first line of each version, and whether it is withdrawn; every one must verify, and the pointer fit."""
        found = {}
        for out in releases.versions(self.releases, HALF_YEAR):
            verdict = verify(out.path)
            assert verdict.problems == () and verdict.is_sealed
            found[out.version] = (
                (out.path / "tables/t0.csv").read_text("utf-8").split("\n")[0],
                out.is_withdrawn,
            )
        standing = [version for version, (_, is_withdrawn) in found.items() if not is_withdrawn]
        current = releases.current(self.releases, HALF_YEAR)
        assert (current.version if current else None) == (standing[-1] if standing else None)
        return found


@pytest.fixture
def bucket(endpoint, monkeypatch):
    """An empty place in a bucket, which the settings name."""
    monkeypatch.setenv("CITYCHECK_HOME", "")
    monkeypatch.setenv("CITYCHECK_SIGNING_KEY_CONNECTION", "signing")
    monkeypatch.setenv("AIRFLOW_CONN_SIGNING", "")
    monkeypatch.setenv("CITYCHECK_RELEASES", f"s3://city/shelf-{next(_NAMES)}")
    monkeypatch.setenv("CITYCHECK_RELEASES_CONNECTION", "shelf")
    about = {"login": LOGIN, "password": SECRET, "extra": {"endpoint_url": endpoint}}
    monkeypatch.setenv("AIRFLOW_CONN_SHELF", json.dumps(about))
    yield
    settings_module.settings.cache_clear()


@pytest.fixture
def host(bucket, tmp_path):
    """Makes homes; all sign with one key unless told otherwise."""
    return lambda name, key=bytes(range(32)): Host(tmp_path / name, key)


def test_what_one_host_publishes_all_have(host):
    here, elsewhere = host("here"), host("elsewhere")
    here.publish("one")
    here.publish("two")
    elsewhere.refresh()
    assert elsewhere.shown() == here.shown() == {1: ("one0", False), 2: ("two0", False)}
    pointers = [json.loads((h.releases / "CURRENT.json").read_text("utf-8")) for h in (here, elsewhere)]
    assert pointers[0] == pointers[1] and pointers[0][HALF_YEAR]["version"] == 2
    assert elsewhere.publish("three").version == 3
    here.refresh()
    assert here.shown() == elsewhere.shown() and len(here.shown()) == 3


def test_a_host_with_another_key_is_refused(host):
    here, stranger = host("here"), host("stranger", bytes(32))
    here.publish("one")
    for work in (stranger.refresh, lambda: stranger.publish("other")):
        with pytest.raises(BadInput, match=r"Let every host that publishes .* sign with the same key"):
            work()
    assert stranger.shown() == {}
    here.refresh()
    assert here.shown() == {1: ("one0", False)}


def test_a_version_that_one_host_withdraws_is_withdrawn_for_all(host):
    here, elsewhere = host("here"), host("elsewhere")
    here.publish("one")
    here.publish("two")
    elsewhere.refresh()
    here.withdraw(2, "wrong")
    elsewhere.refresh()
    assert elsewhere.shown() == here.shown() == {1: ("one0", False), 2: ("two0", True)}
    elsewhere.withdraw(2, "for another reason")
    notices = [verify(h.releases / HALF_YEAR / "2").notice for h in (here, elsewhere)]
    assert notices[0] == notices[1] and notices[0]["reason_en"] == "wrong"


def test_a_candidate_that_another_host_has_overtaken_is_refused(host):
    here, elsewhere = host("here"), host("elsewhere")
    here.publish("one")
    elsewhere.refresh()
    late = elsewhere.candidate("late")
    here.publish("two")
    elsewhere.enter()
    with pytest.raises(BadInput, match="Run the build again from its task `ready`"):
        release.publish(late, NOW)
    assert elsewhere.shown() == here.shown() == {1: ("one0", False), 2: ("two0", False)}


def test_a_city_that_has_releases_gets_a_bucket(host, monkeypatch):
    """What was published before is there when the next version is, also when `ready` ran before the bucket was named."""
    here, elsewhere = host("here"), host("elsewhere")
    with monkeypatch.context() as without:
        without.delenv("CITYCHECK_RELEASES")
        here.publish("one")
        here.publish("two")
        here.withdraw(1, "wrong")
        waiting = here.candidate("three")
    here.enter()
    assert release.publish(waiting, NOW).version == 3
    elsewhere.refresh()
    assert elsewhere.shown() == {1: ("one0", True), 2: ("two0", False), 3: ("three0", False)}


def test_a_bucket_that_does_not_answer_changes_nothing(host, monkeypatch):
    here = host("here")
    here.publish("one")
    waiting = here.candidate("two")
    about = {"login": LOGIN, "password": SECRET, "extra": {"endpoint_url": "http://127.0.0.1:9"}}
    with monkeypatch.context() as broken:
        broken.setenv("AIRFLOW_CONN_SHELF", json.dumps(about))
        broken.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
        with pytest.raises(SourceUnavailable, match="did not answer"):
            release.publish(waiting, NOW)
    assert here.shown() == {1: ("one0", False)}
    assert release.publish(waiting, NOW).version == 2


def test_no_connection_is_one_sentence(host, monkeypatch):
    monkeypatch.delenv("CITYCHECK_RELEASES_CONNECTION")
    with pytest.raises(BadInput, match="CITYCHECK_RELEASES_CONNECTION no connection"):
        host("here").refresh()


@pytest.mark.slow
@pytest.mark.faults
def test_publish_to_a_bucket_is_killed_at_random_moments(host, capsys):
    """Each version's publication is killed; readers here and elsewhere see sound versions, and a re-run publishes it once."""
    here, reader = host("here"), host("reader")
    moments, killed, tried = random.Random(SEED), 0, 0
    expected: dict[int, tuple[str, bool]] = {}
    longest_s = 0.0
    while killed < KILLS:
        tried += 1
        assert tried < 5 * KILLS, "it ends before it can be killed"
        waiting = here.candidate(f"v{tried}-")
        begun = time.monotonic()
        child = forked(lambda waiting=waiting: release.publish(waiting, NOW))
        if longest_s:
            time.sleep(moments.uniform(0, longest_s))
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        status = ended(child)
        assert status in (0, -signal.SIGKILL)
        killed += status != 0
        longest_s = longest_s or time.monotonic() - begun
        after = expected | {tried: (f"v{tried}-0", False)}
        reader.refresh()
        assert reader.shown() in (expected, after)
        # The pointer of this folder may be a step behind its versions, never ahead.
        current = releases.current(here.releases, HALF_YEAR)
        assert (current.version if current else 0) in (tried - 1, tried)
        assert all(verify(out.path).problems == () for out in releases.versions(here.releases, HALF_YEAR))
        here.enter()
        release.publish(waiting, NOW + timedelta(minutes=tried))
        reader.refresh()
        assert here.shown() == reader.shown() == after
        expected = after
    with capsys.disabled():
        print(
            f"\n{'publish to a bucket killed at random moments':70} tried {killed:>4}  survived {killed:>4}  lost   0",
            end="",
        )
