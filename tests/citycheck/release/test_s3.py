"""A bucket as the shelf of releases: conditional writes, death at every request, several publishers, a bad network."""

from __future__ import annotations

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from itertools import count
from pathlib import Path

import pytest
import requests

from citycheck.connections import Connection
from citycheck.errors import BadInput, CitycheckError, SourceUnavailable
from citycheck.release import s3
from citycheck.release.checksums import SHA256SUMS, sha256
from citycheck.release.manifest import WITHDRAWN, sign_notice
from citycheck.release.s3 import Shelf
from citycheck.release.verify import problems, verify

SECRET = "t0p-s3cr3t-k3y"
LOGIN = "acc3ss-k3y"
_NAMES = count()


@pytest.fixture(scope="module")
def endpoint():
    """The address of a server in a process of its own, so that this one can be forked."""
    script = Path(__file__).with_name("s3_server.py")
    server = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        address = f"http://127.0.0.1:{int(server.stdout.readline())}"
        requests.put(f"{address}/city", timeout=30).raise_for_status()
        yield address
    finally:
        server.kill()
        server.wait()


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


def forked(work, *, dies_at=0) -> int:
    """Start `work(fatal)` in a forked process and return its id; a client given to `fatal` dies at the n-th request.

    It ends with 0, or with 3 after `BadInput`, or with 4 when `work` returns False.
    """
    child = os.fork()
    if child:
        return child
    try:
        signal.alarm(300)  # a child that hangs must not hang the tests
        requested = count(1)

        def fatal(client):
            session = client._endpoint.http_session
            send = session.send

            def wrapped(request):
                answer = send(request)
                if next(requested) == dies_at:
                    os.kill(os.getpid(), signal.SIGKILL)
                return answer

            session.send = wrapped

        os._exit(4 if work(fatal) is False else 0)
    except BadInput:
        os._exit(3)
    except BaseException:
        import traceback

        traceback.print_exc()
        os._exit(1)


def ended(child: int) -> int:
    """How a forked process ended: its exit status, or minus the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


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
    with pytest.raises(BadInput, match=r"published 0 version\(s\), and this one is version 2"):
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


# Death and races -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("n", "least"), [(0, 14), (1, 6), (2, 10)], ids=["push", "withdraw", "pull"])
def test_death_at_every_request_loses_nothing_and_a_rerun_finishes(
    tmp_path, connection, versions, signing_key, n, least
):
    """Killed when its n-th request is served and before the answer is read, for every n; a reader looks in between."""
    notice = sign_notice({"reason_en": "wrong"}, sha256(versions[1] / SHA256SUMS), signing_key)
    for dies_at in count(1):
        releases = tmp_path / f"{dies_at}/releases"
        steps = (
            lambda shelf: shelf.push(versions[1]),
            lambda shelf: shelf.withdraw("2026H1", 2, notice),
            lambda shelf, releases=releases: shelf.pull(releases),
        )
        if n < 2 or dies_at == 1:  # a pull leaves the bucket as it is
            shelf = Shelf(f"s3://city/dead-{next(_NAMES)}", connection)
            shelf.push(versions[0])
            for earlier in steps[:n]:
                earlier(shelf)

        def die(fatal, step=steps[n], address=shelf.address):
            mine = Shelf(address, connection)
            fatal(mine._client)
            step(mine)

        status = ended(forked(die, dies_at=dies_at))
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
        if status == 0:
            break
    assert dies_at > least


@pytest.mark.slow
def test_two_publishers_at_once(tmp_path, connection, versions, sealed):
    """Of two with the same number one wins and the other is told; readers in between see whole versions."""
    done = tmp_path / "done"
    for n in range(3):
        shelf = Shelf(f"s3://city/race-{next(_NAMES)}", connection)
        shelf.push(versions[0])

        def read(_fatal, n=n, address=shelf.address):
            for number in count():
                Shelf(address, connection).pull(tmp_path / f"{n}-{number}")
                if done.exists():
                    return
                published(tmp_path / f"{n}-{number}")

        def push(_fatal, version, address=shelf.address):
            Shelf(address, connection).push(version)

        done.unlink(missing_ok=True)
        reader = forked(read)
        writers = [forked(functools.partial(push, version=version)) for version in versions[1:]]
        assert sorted(map(ended, writers)) == [0, 3]
        done.touch()
        assert ended(reader) == 0
        shelf.pull(tmp_path / f"end-{n}")
        assert published(tmp_path / f"end-{n}")["2026H1/2"] in ("second", "other")


def test_publishers_of_different_half_years_at_once(tmp_path, connection, sealed):
    """None of them is lost in the pointer that they share."""
    address = f"s3://city/many-{next(_NAMES)}"
    folders = {half_year: sealed(tmp_path / half_year, half_year=half_year) for half_year in
               ("2024H1", "2024H2", "2025H1", "2025H2", "2026H1")}  # fmt: skip
    children = [
        forked(lambda _, folder=folder: Shelf(address, connection).push(folder))
        for folder in folders.values()
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
    with pytest.raises(BadInput, match=f"signed by the key {other_key.id}, not by {signing_key.id}"):
        shelf(trusted=signing_key.id).pull(tmp_path / "releases")


def test_another_hands_notice(tmp_path, shelf, versions, other_key):
    shelf().push(versions[0])
    shelf().pull(tmp_path)
    shelf().withdraw("2026H1", 1, sign_notice({}, sha256(versions[0] / SHA256SUMS), other_key))
    with pytest.raises(BadInput, match="is no notice about this version"):
        shelf().pull(tmp_path)
    assert not (tmp_path / "2026H1/1" / WITHDRAWN).exists() and published(tmp_path)


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
