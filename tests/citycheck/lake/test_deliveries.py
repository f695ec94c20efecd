"""Which deliveries count depends on what came and when, not on the order in which it was handled."""

from hypothesis import given
from hypothesis import strategies as st

from citycheck.lake import deliveries, store
from citycheck.settings import CityHome


def entry(name, received, files=(), since=None, **more):
    listed = [{"source": "s", "path": path, "sha256": sha} for path, sha in files]
    return {"delivery": name, "received": received, "files": listed, "since": since, "tables": {}, **more}


moments = st.integers(1, 6).map(lambda day: f"2026-07-0{day}T00:00:00+00:00")
files = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("12")), max_size=4)
histories = st.lists(
    st.builds(
        entry,
        name=st.sampled_from(["d1", "d2", "d3", "d4", "d5"]),
        received=moments,
        files=files,
        since=st.sampled_from([None, None, "2026-07-01T00:00:00+00:00"]),
    ),
    max_size=6,
    unique_by=lambda made: made["delivery"],
)


@given(histories, st.randoms(use_true_random=False), st.booleans())
def test_any_order_and_repetition_gives_the_same(history, random, adds_up):
    shuffled = history + random.sample(history, len(history) // 2)
    random.shuffle(shuffled)
    assert deliveries.counting(shuffled, adds_up) == deliveries.counting(history, adds_up)
    assert deliveries.watermarks(shuffled) == deliveries.watermarks(history)


@given(histories)
def test_where_deliveries_add_up_no_file_is_lost(history):
    kept = deliveries.counting(history, adds_up=True)
    assert set().union(*map(deliveries._files, history)) == set().union(*map(deliveries._files, kept))


def test_a_whole_delivery_replaces_what_came_before_and_changes_add_to_it():
    whole, changes, later, more = (
        entry("w", "2026-07-01"), entry("c", "2026-07-02", since="x"), entry("v", "2026-07-03"),
        entry("m", "2026-07-04", since="x"),
    )  # fmt: skip
    assert deliveries.counting([whole, changes], adds_up=False) == [whole, changes]
    assert deliveries.counting([more, later, changes, whole], adds_up=False) == [later, more]


def test_a_folder_that_grew_counts_once():
    first = entry("f", "2026-07-01", [("w1.csv", "1")])
    grown = entry("g", "2026-07-08", [("w1.csv", "1"), ("w2.csv", "1")])
    corrected = entry("c", "2026-07-15", [("w1.csv", "2")])
    assert deliveries.counting([first, grown, corrected], adds_up=True) == [grown, corrected]


def test_bytes_that_come_again_count_from_then_on():
    old, new = entry("o", "2026-07-01"), entry("n", "2026-07-02")
    assert deliveries.counting([old, new], adds_up=False) == [new]
    assert deliveries.counting([old | {"received": "2026-07-03"}, new], adds_up=False)[0]["delivery"] == "o"


def test_the_newest_change_of_each_source_is_where_the_next_delivery_begins():
    told = [
        entry("a", "2026-07-02", watermarks={"s": "2026-06-30T00:00:00+00:00"}),
        entry(
            "b", "2026-07-01", watermarks={"s": "2026-06-01T00:00:00+00:00", "t": "2026-05-01T00:00:00+00:00"}
        ),
    ]
    assert deliveries.watermarks(told) == {"s": "2026-06-30T00:00:00+00:00", "t": "2026-05-01T00:00:00+00:00"}


def test_a_manifest_of_one_delivery_from_before_is_read(tmp_path):
    home = CityHome(tmp_path)
    (home.lake / "manifests" / "survey").mkdir(parents=True)
    written = '{"feed": "survey", "delivery": "d", "files": [], "tables": {}}'
    (home.lake / "manifests" / "survey" / "2026H1.json").write_text(written)
    assert store.latest(home, "survey", "2026H1")["delivery"] == "d"
    store.accept(home, "survey", "2026H1", entry("e", "2026-07-01"))
    assert [e["delivery"] for e in store.accepted(home, "survey", "2026H1")] == ["d", "e"]
    assert store.latest(home, "survey", "2026H1")["delivery"] == "e"
