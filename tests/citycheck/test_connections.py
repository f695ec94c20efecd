"""A connection from the environment, in both of Airflow's forms; what it holds is not shown."""

import json

import pytest

from citycheck import connections
from citycheck.errors import BadInput


@pytest.mark.parametrize(
    ("written", "port", "extra"),
    [
        (json.dumps({"host": "mail", "login": "a", "password": "p@ss", "port": 587, "extra": {"to": "x"}}), 587, {"to": "x"}),
        (json.dumps({"host": "mail", "login": "a", "password": "p@ss", "port": "25", "extra": '{"to": "x"}'}), 25, {"to": "x"}),
        (json.dumps({"host": "mail", "login": "a", "password": "p@ss"}), None, {}),
        ("smtp://a:p%40ss@mail:465/?to=x", 465, {"to": "x"}),
        ("smtp://a:p%40ss@mail", None, {}),
    ],
)  # fmt: skip
def test_both_forms_say_the_same(monkeypatch, written, port, extra):
    monkeypatch.setenv("AIRFLOW_CONN_MAIL_CITY", written)
    found = connections.from_environment("mail_city")
    assert (found.host, found.login, found.password) == ("mail", "a", "p@ss")
    assert (found.port, found.extra) == (port, extra)
    assert "p@ss" not in repr(found)


@pytest.mark.parametrize("written", ["{", '{"port": "secret"}', '{"port": [1]}', "smtp://mail:secret/"])
def test_what_cannot_be_read_is_not_shown(monkeypatch, written):
    monkeypatch.setenv("AIRFLOW_CONN_MAIL_CITY", written)
    with pytest.raises(BadInput, match="neither JSON nor a URI") as raised:
        connections.from_environment("mail_city")
    assert "secret" not in str(raised.value)


def test_a_connection_that_is_not_set(monkeypatch):
    monkeypatch.delenv("AIRFLOW_CONN_MAIL_CITY", raising=False)
    with pytest.raises(BadInput, match="AIRFLOW_CONN_MAIL_CITY"):
        connections.from_environment("mail_city")
