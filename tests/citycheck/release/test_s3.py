"""A bucket as the shelf of releases: conditional writes, death at every request, several publishers, a bad network."""

from __future__ import annotations

import functools
import json
import os
import shutil
import signal
import threading
import time
from itertools import count
from pathlib import Path

import pytest
import requests
from bucket import LOGIN, SECRET, ended, forked, serving

from citycheck.connections import Connection
from citycheck.errors import BadInput, CitycheckError, SourceUnavailable
from citycheck.release import publish as publishing
from citycheck.release import s3
from citycheck.release.checksums import SHA256SUMS, sha256
from citycheck.release.manifest import WITHDRAWN, notice_files, sign_notice
from citycheck.release.s3 import Shelf
from citycheck.release.verify import problems, verify

_NAMES = count()


@pytest.fixture(scope="module")
def endpoint():
    with serving() as address:
        yield address


@pytest.fixture
def connection(endpoint):
    return Connection("shelf", login=LOGIN, password=SECRET, extra={"endpoint_url": endpoint})


@pytest.fixture
def shelf(connection):
    """Makes clients of one empty shelf."""
    return functools.partial(Shelf, f"s3://city/releases-{next(_NAMES)}", connection)


@pytest.fixture
def faults(endpoint):
    """Sets which requests the server loses; none when the test is over."""

    def lose(every, *how):
        requests.put(f"{endpoint}/-faults", json={"every": every, "how": how}, timeout=10).raise_for_status()

    yield lose
    lose(0)


@pytest.fixture(scope="module")
def versions(tmp_path_factory, sealed):
    """Two versions of a half-year, and another second one."""
    folder = tmp_path_factory.mktemp("versions")
    return [
        sealed(folder / "1", "first"),
        sealed(folder / "2", "second", version=2),
        sealed(folder / "other 2", "other", version=2),
    ]


def published(releases: Path) -> dict[str, str]:
    """What a folder shows: each version's table. Every version must verify."""
    found = {}
    for path in sorted(releases.glob("*/[0-9]*")):
        assert problems(path) == []
        found[path.relative_to(releases).as_posix()] = (path / "tables/county_index.csv").read_text()
    return found


def dying(client, at: int) -> None:
    """Let this process be killed when its n-th request by this client is served, before the answer is read."""
    requested = count(1)
    session = client._endpoint.http_session
    send = session.send

    def fatal(request):
        answer = send(request)
        if next(requested) == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    session.send = fatal


# What the server must do ---------------------------------------------------------------------------------------------


def test_the_server_honours_conditional_writes(shelf):
    """Many at once create one object: one does. Many at once count in one: nothing is lost."""
    created, tries = [], []

    def create(n):
        created.append(shelf()._put("one", str(n).encode(), None))

    def add():
        mine = shelf()
        for _ in range(5):
            while True:
                content, etag = mine._get("counter")
                tries.append(1)
                if mine._put("counter", str(int(content) + 1).encode(), etag):
                    break

    shelf()._put("counter", b"0", None)
    threads = [threading.Thread(target=create, args=(n,)) for n in range(6)]
    threads += [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(created) == [False] * 5 + [True]
    assert shelf()._get("counter")[0] == b"20" and len(tries) > 20
    assert shelf()._put("gone", b"", '"0"') is False and shelf()._get("gone") is None


def test_a_store_that_ignores_conditions_is_refused(shelf, versions, faults):
    faults(1, "deaf")
    with pytest.raises(BadInput, match="ignores conditional writes"):
        shelf().push(versions[0])
    assert shelf().pointer().half_years == {}


# Publishing ----------------------------------------------------------------------------------------------------------


def test_push_and_pull(tmp_path, shelf, versions):
    assert shelf().pull(tmp_path / "none") == []
    assert shelf().push(versions[0]) and shelf().push(versions[1])
    releases = tmp_path / "releases"
    assert shelf().pull(releases) == [releases / "2026H1/1", releases / "2026H1/2"]
    assert published(releases) == {"2026H1/1": "first", "2026H1/2": "second"}
    assert {p.stat().st_mode & 0o777 for p in releases.rglob("*") if p.is_file()} == {0o444}
    assert shelf().pull(releases) == []
    about = shelf().pointer().half_years["2026H1"]
    assert about["version"] == 2 and about["fingerprint"] == sha256(versions[1] / SHA256SUMS)
    assert about["path"].startswith("2026H1/2-") and [e["version"] for e in about["versions"]] == [1, 2]
    assert not list((releases / ".staging").iterdir())


def test_pushing_again_changes_nothing(shelf, versions):
    shelf().push(versions[0])
    before = shelf().pointer()
    assert shelf().push(versions[0])
    assert shelf().pointer() == before


def test_a_number_that_another_has_taken(shelf, versions):
    shelf().push(versions[0])
    shelf().push(versions[1])
    with pytest.raises(BadInput, match=r"version 2 was published at s3://.* by another in the meantime"):
        shelf().push(versions[2])


def test_the_same_candidate_sealed_by_two(tmp_path, shelf, sealed, other_key):
    """Who comes second learns that it is published, under the seal of the first."""
    assert shelf().push(sealed(tmp_path / "a"))
    second = sealed(tmp_path / "b", key=other_key)
    assert not shelf().push(second)
    (tmp_path / "releases/2026H1").mkdir(parents=True)
    shutil.copytree(second, tmp_path / "releases/2026H1/1")
    with pytest.raises(BadInput, match=r"is not the version 1 of 2026H1 that s3://.* has published"):
        shelf().pull(tmp_path / "releases")


def test_no_version_is_left_out(shelf, versions):
    with pytest.raises(
        BadInput, match=r"the next version at s3://.* is 1, and this one is version 2\. Put those"
    ):
        shelf().push(versions[1])


def test_a_damaged_version_is_not_pushed(tmp_path, shelf, versions):
    shutil.copytree(versions[0], tmp_path / "a")
    (tmp_path / "a/index.html").write_text("other")
    with pytest.raises(BadInput, match=r"does not verify: index\.html"):
        shelf().push(tmp_path / "a")
    assert shelf().pointer().half_years == {}


def test_a_candidate_is_not_pushed(tmp_path, shelf, candidate):
    with pytest.raises(BadInput, match="nobody has signed it"):
        shelf().push(candidate(tmp_path / "a"))


def test_withdrawal(tmp_path, shelf, versions, signing_key):
    releases = tmp_path / "releases"
    for version in versions[:2]:
        shelf().push(version)
    shelf().pull(releases)
    notice = sign_notice({"reason_en": "wrong"}, sha256(versions[1] / SHA256SUMS), signing_key)
    shelf().withdraw("2026H1", 2, notice)
    pointer = shelf().pointer()
    assert pointer.half_years["2026H1"]["version"] == 1
    assert [e["is_withdrawn"] for e in pointer.versions("2026H1")] == [False, True]
    later = sign_notice({"reason_en": "wrong again"}, sha256(versions[1] / SHA256SUMS), signing_key)
    shelf().withdraw("2026H1", 2, later)
    assert shelf().pointer() == pointer
    for folder in (releases, tmp_path / "elsewhere"):
        shelf().pull(folder)
        assert verify(folder / "2026H1/2").notice == notice
        assert not verify(folder / "2026H1/1").is_withdrawn
        assert published(folder).keys() == {"2026H1/1", "2026H1/2"}
    shelf().withdraw(
        "2026H1", 1, sign_notice({"reason_en": "also"}, sha256(versions[0] / SHA256SUMS), signing_key)
    )
    assert shelf().pointer().half_years["2026H1"]["version"] is None
    with pytest.raises(BadInput, match="has no version 7"):
        shelf().withdraw("2026H1", 7, notice)


# A folder and its bucket -------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, versions):
    """Makes a folder of releases that was published to before there was a bucket."""

    def make(name, published=2):
        for version in range(1, published + 1):
            shutil.copytree(versions[version - 1], tmp_path / name / f"2026H1/{version}")
        (tmp_path / name).mkdir(exist_ok=True)
        return tmp_path / name

    return make


@pytest.fixture
def withdrawn(signing_key):
    """Withdraws a version of a folder, for a reason."""

    def withdraw(releases, version, reason, shelf=None):
        release = publishing.versions(releases, "2026H1")[version - 1]
        notice = sign_notice({"reason_en": reason}, release.fingerprint, signing_key)
        return publishing.withdraw(releases, release, notice, shelf)

    return withdraw


def reasons(releases):
    return [
        (verify(release.path).notice or {}).get("reason_en")
        for release in publishing.versions(releases, "2026H1")
    ]


def test_what_was_published_before_there_was_a_bucket(shelf, folder, withdrawn):
    """Every version goes there, in order, a withdrawn one with its notice; then the next, and nothing a second time."""
    here, elsewhere = folder("here"), folder("elsewhere", published=0)
    withdrawn(here, 1, "wrong")
    publishing.refresh(here, shelf())
    pointer = shelf().pointer()
    assert [(e["version"], e["is_withdrawn"]) for e in pointer.versions("2026H1")] == [(1, True), (2, False)]
    publishing.refresh(here, shelf())
    assert shelf().pointer() == pointer
    publishing.refresh(elsewhere, shelf())
    assert published(elsewhere) == published(here) and reasons(elsewhere) == reasons(here) == ["wrong", None]
    assert publishing.current(elsewhere, "2026H1").version == 2


def test_a_bucket_that_is_named_just_before_a_version_is_published(
    tmp_path, shelf, folder, versions, candidate
):
    """A publication brings what the bucket lacks, as `ready` would have."""
    here = folder("here", published=1)

    def seal(copy):
        for name in ("manifest.json", "manifest.json.sig"):
            shutil.copyfile(versions[1] / name, copy / name)

    staged = candidate(tmp_path / "staged", "second")
    for _ in range(2):
        assert publishing.publish(staged, here, "2026H1", seal=seal, shelf=shelf()).version == 2
        assert list(shelf().published()["2026H1"]) == [1, 2]


def test_versions_from_before_there_were_seals_stay_in_the_folder(tmp_path, shelf, folder, versions):
    here = folder("here")
    for name in ("manifest.json", "manifest.json.sig"):
        (here / "2026H1/1" / name).unlink()
    for _ in range(2):
        publishing.refresh(here, shelf())
        assert list(shelf().published()["2026H1"]) == [2]
    assert list(published(here)) == ["2026H1/1", "2026H1/2"]
    shelf().pull(tmp_path / "elsewhere")
    assert list(published(tmp_path / "elsewhere")) == ["2026H1/2"]


def test_a_version_that_lost_its_seal_is_told(shelf, folder):
    here = folder("here")
    (here / "2026H1/1/manifest.json").unlink()
    with pytest.raises(
        BadInput, match=r"2026H1/1: does not verify: manifest.json: missing.*Restore the files"
    ):
        publishing.refresh(here, shelf())
    assert shelf().published() == {}


def test_two_folders_with_other_first_versions(tmp_path, shelf, folder, sealed, other_key):
    """Published before they shared a bucket: the first that comes counts, the other is told."""
    publishing.refresh(folder("here", published=1), shelf())
    sealed(tmp_path / "elsewhere/2026H1/1", "first", key=other_key)
    with pytest.raises(BadInput, match=r"elsewhere/2026H1/1: is not the version 1 of 2026H1 that s3://"):
        publishing.refresh(tmp_path / "elsewhere", shelf())


def test_two_hosts_withdraw_one_version(shelf, folder, withdrawn):
    """Both end with the notice of the first, whichever it is, though the second has not seen it."""
    here, elsewhere = folder("here"), folder("elsewhere")
    publishing.refresh(here, shelf())
    withdrawn(here, 2, "first", shelf())
    assert withdrawn(elsewhere, 2, "second", shelf()).is_withdrawn
    withdrawn(here, 2, "third", shelf())
    assert reasons(here) == reasons(elsewhere) == [None, "first"]
    assert publishing.current(elsewhere, "2026H1").version == 1


def test_a_withdrawal_at_the_first_meeting(tmp_path, shelf, folder, withdrawn):
    """The bucket gets the versions before the notice about one of them."""
    withdrawn(folder("here"), 2, "wrong", shelf())
    shelf().pull(tmp_path / "elsewhere")
    assert reasons(tmp_path / "elsewhere") == reasons(tmp_path / "here") == [None, "wrong"]


def test_a_notice_that_differs_from_the_buckets_gives_way(shelf, folder, withdrawn, monkeypatch):
    """Two hosts had withdrawn a version before they shared a bucket; a reader sees a sound version at every moment."""
    here, elsewhere = folder("here"), folder("elsewhere")
    withdrawn(here, 2, "first")
    publishing.refresh(here, shelf())
    withdrawn(elsewhere, 2, "second")
    replace, seen = os.replace, []

    def watched(source, target):
        assert problems(elsewhere / "2026H1/2") == []
        replace(source, target)
        seen.append(problems(elsewhere / "2026H1/2"))

    monkeypatch.setattr(os, "replace", watched)
    publishing.refresh(elsewhere, shelf())
    assert seen and not any(seen)
    assert reasons(here) == reasons(elsewhere) == [None, "first"]


# Death and races -----------------------------------------------------------------------------------------------------


@pytest.fixture
def dead(tmp_path, connection, versions, signing_key):
    """Kills a push (0), a withdrawal (1) or a pull (2) at its n-th request, looks as a reader, and does it again.

    Returns False when it ended before that request.
    """
    notice = sign_notice({"reason_en": "wrong"}, sha256(versions[1] / SHA256SUMS), signing_key)

    def die(n, at):
        releases = tmp_path / f"{n}-{at}/releases"
        shelf = Shelf(f"s3://city/dead-{next(_NAMES)}", connection)
        shelf.push(versions[0])
        steps = (
            lambda shelf: shelf.push(versions[1]),
            lambda shelf: shelf.withdraw("2026H1", 2, notice),
            lambda shelf: shelf.pull(releases),
        )
        for earlier in steps[:n]:
            earlier(shelf)

        def work():
            mine = Shelf(shelf.address, connection)
            dying(mine._client, at)
            steps[n](mine)

        status = ended(forked(work))
        assert status in (0, -signal.SIGKILL)
        if n < 2:
            shelf.pull(releases)
            assert "2026H1/1" in published(releases)
        else:
            assert published(releases).keys() <= {"2026H1/1", "2026H1/2"}
        steps[n](shelf)
        shelf.pull(releases)
        assert published(releases) == {"2026H1/1": "first", "2026H1/2": "second"}
        assert verify(releases / "2026H1/2").is_withdrawn is (n > 0)
        assert len(shelf.pointer().versions("2026H1")) == 2
        return status != 0

    return die


@pytest.mark.parametrize(("n", "at"), [(0, 5), (0, 14), (1, 2), (1, 6), (2, 9)])
def test_death_loses_nothing_and_a_rerun_finishes(dead, n, at):
    """At a few requests, the replacing of the pointer among them."""
    assert dead(n, at)


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.parametrize(("n", "least"), [(0, 14), (1, 6), (2, 10)], ids=["push", "withdraw", "pull"])
def test_death_at_every_request_loses_nothing_and_a_rerun_finishes(dead, n, least):
    assert next(at for at in count(1) if not dead(n, at)) > least


@pytest.fixture
def dead_at_first(tmp_path, connection, folder, withdrawn):
    """The same of a folder's first meeting with a bucket: a version that was withdrawn, and one that stands."""

    def die(at):
        here, reader = folder(f"first-{at}"), tmp_path / f"reader-{at}"
        withdrawn(here, 1, "wrong")
        shelf = Shelf(f"s3://city/first-{next(_NAMES)}", connection)

        def work():
            mine = Shelf(shelf.address, connection)
            dying(mine._client, at)
            publishing.refresh(here, mine)

        status = ended(forked(work))
        assert status in (0, -signal.SIGKILL)
        shelf.pull(reader)
        assert published(reader).keys() <= {"2026H1/1", "2026H1/2"}
        assert reasons(reader) in ([], ["wrong"], ["wrong", None]), (
            "what is withdrawn is never seen as standing"
        )
        publishing.refresh(here, shelf)
        shelf.pull(reader)
        assert published(reader) == {"2026H1/1": "first", "2026H1/2": "second"} == published(here)
        assert reasons(reader) == ["wrong", None]
        return status != 0

    return die


@pytest.mark.parametrize("at", [3, 18])
def test_death_at_the_first_meeting(dead_at_first, at):
    assert dead_at_first(at)


@pytest.mark.slow
@pytest.mark.faults
def test_death_at_every_request_of_the_first_meeting(dead_at_first):
    assert next(at for at in count(1) if not dead_at_first(at)) > 30


@pytest.fixture
def race(tmp_path, connection, versions):
    """Two publish other contents under one number, and a reader sees whole versions in between."""

    def run():
        address, folder = f"s3://city/race-{next(_NAMES)}", tmp_path / str(next(_NAMES))
        Shelf(address, connection).push(versions[0])

        def read():
            for number in count():
                Shelf(address, connection).pull(folder / str(number))
                published(folder / str(number))
                if (folder / "done").exists():
                    return

        reader = forked(read)
        writers = [
            forked(lambda version=version: Shelf(address, connection).push(version))
            for version in versions[1:]
        ]
        ends = sorted(map(ended, writers))
        folder.mkdir(exist_ok=True)
        (folder / "done").touch()
        assert ended(reader) == 0
        Shelf(address, connection).pull(folder / "end")
        assert published(folder / "end")["2026H1/2"] in ("second", "other")
        assert ends == [0, 3], "one wins, the other is told"

    return run


def test_two_publishers_at_once(race):
    race()


@pytest.mark.slow
@pytest.mark.faults
def test_two_publishers_at_once_again_and_again(race):
    for _ in range(10):
        race()


def test_publishers_of_different_half_years_at_once(tmp_path, connection, sealed):
    """None of them is lost in the pointer that they share."""
    address = f"s3://city/many-{next(_NAMES)}"
    folders = {half_year: sealed(tmp_path / half_year, half_year=half_year) for half_year in
               ("2024H1", "2024H2", "2025H1", "2025H2", "2026H1")}  # fmt: skip
    children = [
        forked(lambda folder=folder: Shelf(address, connection).push(folder)) for folder in folders.values()
    ]
    assert [ended(child) for child in children] == [0] * 5
    assert sorted(Shelf(address, connection).pointer().half_years) == sorted(folders)


# A bad network -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("every", [2, 3, 5])
def test_lost_requests_and_answers(tmp_path, shelf, versions, faults, monkeypatch, every):
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    faults(every, "before", "after", "half")
    shelf().push(versions[0])
    shelf().push(versions[1])
    shelf().pull(tmp_path)
    assert published(tmp_path) == {"2026H1/1": "first", "2026H1/2": "second"}


@pytest.mark.parametrize("how", ["before", "after", "half"])
def test_a_server_that_never_answers(tmp_path, shelf, versions, faults, how):
    shelf().push(versions[0])
    faults(1, how)
    started = time.monotonic()
    for work in (lambda: shelf(attempts=2).pull(tmp_path), lambda: shelf(attempts=2).push(versions[1])):
        with pytest.raises(SourceUnavailable, match=r"s3://city/releases-\d+: did not answer") as told:
            work()
        without_secrets(told.value)
    assert time.monotonic() - started < 30
    assert published(tmp_path) == {}


def test_nobody_there(versions):
    closed = Connection("c", login=LOGIN, password=SECRET, extra={"endpoint_url": "http://127.0.0.1:9"})
    with pytest.raises(SourceUnavailable) as told:
        Shelf("s3://city", closed, attempts=1).pointer()
    without_secrets(told.value)


def without_secrets(error: BaseException) -> None:
    assert SECRET not in str(error) and LOGIN not in str(error) and "\n" not in str(error)
    assert error.__cause__ is None and error.__suppress_context__


# What is in the bucket is not believed -------------------------------------------------------------------------------


def spoilt(shelf, name, content):
    """Put other contents in the place of an object, as somebody with the keys of the bucket could."""
    shelf._client.put_object(Bucket=shelf.bucket, Key=shelf._key(name), Body=content)


def test_files_changed_in_the_bucket_do_not_appear(tmp_path, shelf, versions):
    mine = shelf()
    mine.push(versions[0])
    path = mine.pointer().versions("2026H1")[0]["path"]
    spoilt(mine, f"{path}/tables/county_index.csv", b"fIrst")
    with pytest.raises(BadInput, match=r"county_index\.csv: differs.*byte 1 \(from 0\) is 0x49, was 0x69"):
        mine.pull(tmp_path)
    mine._client.delete_object(Bucket=mine.bucket, Key=mine._key(f"{path}/index.html"))
    with pytest.raises(BadInput, match=r"index\.html: is missing"):
        mine.pull(tmp_path)
    assert published(tmp_path) == {}


@pytest.mark.parametrize("path", ["../../outside", "/outside", "a\\..\\b"])
def test_a_manifest_that_leads_out(tmp_path, shelf, versions, path):
    mine = shelf()
    mine.push(versions[0])
    name = mine.pointer().versions("2026H1")[0]["path"] + "/manifest.json"
    spoilt(mine, name, json.dumps({"files": [{"path": path}]}).encode())
    spoilt(mine, f"{Path(name).parent}/{path}", b"x") if "\\" in path else None
    with pytest.raises(BadInput, match="lists no files that could be fetched"):
        mine.pull(tmp_path / "releases")
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b'{"2026H3": {"versions": []}}', b'{"2026H1": {}}', b'{"2026H1": {"versions": [7]}}',
        b'{"2026H1": {"versions": [{"version": 1, "path": "../x", "seal": "%s", "fingerprint": "", "is_withdrawn": false}]}}'
        % (b"0" * 64),
        b'{"2026H1": {"versions": [{"version": "../1", "path": "", "seal": "", "fingerprint": "", "is_withdrawn": false}]}}',
    ],
    ids=range(8),
)  # fmt: skip
def test_a_damaged_pointer(tmp_path, shelf, content):
    mine = shelf()
    spoilt(mine, s3.POINTER, content)
    with pytest.raises(BadInput, match=r"CURRENT\.json: is not what citycheck writes"):
        mine.pull(tmp_path)


def test_another_hands_release(tmp_path, shelf, sealed, signing_key, other_key):
    shelf().push(sealed(tmp_path / "a", key=other_key))
    with pytest.raises(
        BadInput, match=f"by the key {other_key.id}, not by the {signing_key.id} of this host. Let"
    ):
        shelf(trusted=signing_key.id).pull(tmp_path / "releases")


def test_another_hands_notice(tmp_path, shelf, versions, other_key):
    shelf().push(versions[0])
    shelf().pull(tmp_path)
    shelf().withdraw("2026H1", 1, sign_notice({}, sha256(versions[0] / SHA256SUMS), other_key))
    with pytest.raises(BadInput, match="is no notice about this version"):
        shelf().pull(tmp_path)
    assert not (tmp_path / "2026H1/1" / WITHDRAWN).exists() and published(tmp_path)


def test_a_notice_that_was_exchanged(tmp_path, shelf, versions, signing_key):
    """Also one that the city has signed: the pointer names the first."""
    mine, fingerprint = shelf(), sha256(versions[0] / SHA256SUMS)
    mine.push(versions[0])
    mine.withdraw("2026H1", 1, sign_notice({"reason_en": "first"}, fingerprint, signing_key))
    path = mine.pointer().versions("2026H1")[0]["path"]
    for name, content in notice_files(sign_notice({"reason_en": "other"}, fingerprint, signing_key)).items():
        spoilt(mine, f"{path}/{name}", content)
    with pytest.raises(BadInput, match=r"WITHDRAWN\.json: is not what the pointer names"):
        mine.pull(tmp_path)
    assert not verify(tmp_path / "2026H1/1").is_withdrawn


# What is wrong with the settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address", ["", "releases", "https://city/a", "s3://", "s3://user:pw@city/a", "s3://city/a?x=1"]
)
def test_no_address(connection, address):
    with pytest.raises(BadInput, match="expected s3://bucket/prefix") as told:
        Shelf(address, connection)
    assert "pw" not in str(told.value)


@pytest.mark.parametrize(
    ("about", "told"),
    [
        ({"login": ""}, "has no login or no password"),
        ({"extra": {"endpoint_url": "store.example.org"}}, "`endpoint_url` is no address"),
        ({"extra": {"endpoint_url": "https://a:b@store.example.org"}}, "`endpoint_url` is no address"),
    ],
)
def test_no_connection(about, told):
    with pytest.raises(BadInput, match=told) as caught:
        Shelf("s3://city/a", Connection("shelf", **{"login": LOGIN, "password": SECRET} | about))
    assert SECRET not in str(caught.value) and "a:b" not in str(caught.value)


def test_no_such_bucket(connection):
    with pytest.raises(BadInput, match="there is no such bucket"):
        Shelf("s3://nobody/a", connection)._put("a", b"", None)


@pytest.mark.parametrize(
    ("code", "kind", "told"),
    [
        ("SignatureDoesNotMatch", BadInput, "refuses the connection's keys"),
        ("AccessDenied", BadInput, "refuses the connection's keys"),
        ("NotImplemented", BadInput, "knows no conditional writes"),
        ("PermanentRedirect", BadInput, "no such bucket in this region"),
        ("SlowDown", SourceUnavailable, r"did not do what was asked \(SlowDown\)"),
    ],
)
def test_what_a_store_says_is_one_sentence(shelf, code, kind, told):
    """Answers that the server on loopback does not give."""
    from botocore.exceptions import ClientError

    mine = shelf()

    def answer(**_):
        raise ClientError({"Error": {"Code": code, "Message": f"{SECRET} {LOGIN}"}}, "PutObject")

    mine._client.put_object = answer
    with pytest.raises(CitycheckError, match=told) as caught:
        mine._put("a", b"", None)
    assert type(caught.value) is kind
    without_secrets(caught.value)


def test_no_other_host_is_asked(connection):
    mine = Shelf("s3://city/a", connection)

    def elsewhere(request, **_):
        request.url = request.url.replace("127.0.0.1", "localhost")

    mine._client.meta.events.register_first("before-send.s3", elsewhere)
    with pytest.raises(BadInput, match="leads to another host than its endpoint"):
        mine.pointer()
