"""Files from S3 (moto's server on loopback), https (a stand-in for the client) and folders."""

import boto3
import pytest
from moto.server import ThreadedMotoServer

from citycheck.connections import Connection
from citycheck.errors import BadInput, SourceUnavailable
from citycheck.feeds import remote
from citycheck.feeds.remote import Remote

HOSTS = ["127.0.0.1"]


@pytest.fixture(scope="module")
def store():
    """Connection to a store with bucket/2026/{a.csv, b/c.csv, notes.txt}."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    client = boto3.client(
        "s3",
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    )
    client.create_bucket(Bucket="city")
    for name in ("2026/a.csv", "2026/b/c.csv", "2026/notes.txt", "2026 里.csv", "2025/old.csv"):
        client.put_object(Bucket="city", Key=name, Body=name.encode() * 1000)
    yield Connection(
        "city_s3", login="key", password="secret", extra={"endpoint_url": address, "region_name": "us-east-1"}
    )
    server.stop()


def test_s3_listing_and_files(store, tmp_path):
    assert remote.listing("s3://city/2026", store, HOSTS) == ["a.csv", "b/c.csv", "notes.txt"]
    found = remote.listing("s3://city/2026/", store, HOSTS, ["*.csv"])
    assert found == ["a.csv", "b/c.csv"]
    remote.fetch_paths("s3://city/2026/", found, tmp_path, store, HOSTS)
    assert (tmp_path / "b/c.csv").read_bytes() == b"2026/b/c.csv" * 1000
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["a.csv", "c.csv"]


def test_s3_one_file(store, tmp_path):
    assert remote.listing("s3://city/2026 里.csv", store, HOSTS) == ["2026 里.csv"]
    remote.fetch_paths("s3://city/2026 里.csv", ["2026 里.csv"], tmp_path, store, HOSTS)
    assert (tmp_path / "2026 里.csv").read_bytes() == "2026 里.csv".encode() * 1000


@pytest.mark.parametrize("address", ["s3://city/2027", "s3://nobody/2026"])
def test_s3_nothing_there(store, address):
    with pytest.raises(BadInput, match="has no "):
        remote.listing(address, store, HOSTS)


def test_s3_file_is_gone(store, tmp_path):
    with pytest.raises(BadInput, match="no such bucket or file"):
        remote.fetch_paths("s3://city/2026", ["gone.csv"], tmp_path, store, HOSTS)


def test_s3_too_large(store, tmp_path):
    with pytest.raises(BadInput, match="expected at most 0 MiB"):
        remote.fetch_paths("s3://city/2026", ["a.csv"], tmp_path, store, HOSTS, limit_bytes=100)


def test_s3_host_must_be_allowed(store):
    with pytest.raises(BadInput, match=r"host '127\.0\.0\.1' is not allowed"):
        remote.listing("s3://city/2026", store, ["s3.example.org"])
    with pytest.raises(BadInput, match=r"host 's3\.us-east-1\.amazonaws\.com' is not allowed"):
        remote.listing("s3://city/2026", None, ["127.0.0.1"])


@pytest.mark.slow
def test_s3_not_there_is_a_matter_of_time():
    closed = Connection("c", login="key", password="secret", extra={"endpoint_url": "http://127.0.0.1:9"})
    with pytest.raises(SourceUnavailable) as told:
        remote.listing("s3://city/2026", closed, HOSTS)
    assert "secret" not in str(told.value)


def test_connection_without_keys(store):
    with pytest.raises(BadInput, match="no login or no password"):
        remote.listing("s3://city/2026", Connection("c", extra=store.extra), HOSTS)


class _Client:
    def __init__(self):
        self.asked = []

    def download(self, address, target):
        self.asked.append(address)
        target.write_bytes(b"x")


@pytest.mark.parametrize(
    ("address", "files", "asked"),
    [
        ("https://h/a/b.csv?sig=1", None, ["https://h/a/b.csv?sig=1"]),
        (
            "https://h/a/?sig=1",
            ["2026/里 1.csv", "b.csv"],
            ["https://h/a/2026/%E9%87%8C%201.csv?sig=1", "https://h/a/b.csv?sig=1"],
        ),
        ("https://h", None, ["https://h"]),
    ],
)
def test_https(tmp_path, address, files, asked):
    client = _Client()
    paths = remote.listing(address, None, ["h"], files)
    remote.fetch_paths(address, paths, tmp_path, None, ["h"], client)
    assert client.asked == asked
    assert all((tmp_path / path).read_bytes() == b"x" for path in paths)


def test_https_host_must_be_allowed(tmp_path):
    with pytest.raises(BadInput, match="not allowed"):
        remote.fetch_paths("https://example.org/a.csv?token=t0p", ["a.csv"], tmp_path, None, ["other.org"])


def test_https_cannot_list():
    with pytest.raises(BadInput, match="cannot list a folder") as told:
        remote.listing("https://h/a/?sig=t0p", None, ["h"], ["*.csv"])
    assert "t0p" not in str(told.value)


@pytest.mark.parametrize("path", ["../a.csv", "/etc/a.csv", "b/../../a.csv", "..\\a.csv"])
@pytest.mark.parametrize("address", ["https://h/x/", "s3://city/2026", "/tmp"])
def test_no_file_leaves_its_folder(store, tmp_path, address, path):
    with pytest.raises(BadInput, match="leads out of its folder"):
        remote.fetch_paths(address, [path], tmp_path / "out", store, HOSTS, _Client())


def test_folder(tmp_path):
    (tmp_path / "in/b").mkdir(parents=True)
    (tmp_path / "in/a.csv").write_text("a")
    (tmp_path / "in/b/c.txt").write_text("c")
    assert remote.listing(str(tmp_path / "in"), None) == ["a.csv", "b/c.txt"]
    remote.fetch_paths(str(tmp_path / "in"), ["b/c.txt"], tmp_path / "out", None, [])
    assert (tmp_path / "out/b/c.txt").read_text() == "c"


def test_other_schemes_are_refused():
    with pytest.raises(BadInput, match="expected https://, s3:// or a path"):
        remote.listing("ftp://h/a.csv", None)


def test_configuration_is_strict():
    with pytest.raises(ValueError, match="Extra inputs"):
        Remote(address="s3://a", secret="x")
