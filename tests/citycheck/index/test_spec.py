"""A spec as it is written: what it means where it says nothing, and one sentence for each mistake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from citycheck.errors import BadInput
from citycheck.index.spec import Spec, schema_text
from citycheck.settings import settings


def written(folder: Path, index: dict[str, Any], **head: Any) -> Path:
    path = folder / "spec.yml"
    path.write_text(
        yaml.safe_dump({"name": "test", "unit": "unit", "index": index, **head}), encoding="utf-8"
    )
    return path


def test_the_published_schema_is_up_to_date() -> None:
    published = settings().project / "docs" / "index-spec.schema.json"
    assert published.read_text("utf-8") == schema_text(), (
        "Run: citycheck index-schema > docs/index-spec.schema.json"
    )
    assert "NodeFile" in json.loads(schema_text())["$defs"]


def test_leaves_may_hang_at_different_depths(tmp_path: Path) -> None:
    group = {"code": "g", "weight": 2, "children": [{"column": "b"}, {"column": "c", "direction": -1}]}
    spec = Spec.read(written(tmp_path, {"children": [{"column": "a"}, group]}))
    assert [(node.code, node.parent, node.step) for node in spec.nodes] == [
        ("a", "index", 0),
        ("b", "g", 0),
        ("c", "g", 0),
        ("g", "index", 1),
        ("index", None, 2),
    ]
    assert [node.code for node in spec.children("index")] == ["a", "g"]
    assert spec.root.mean == "arithmetic" and spec.leaves[0].normalisation == "min_max"
    assert (spec.root.min_share, spec.leaves[2].direction) == (1.0, -1)


def test_scales_follow_the_normalisation_unless_stated(tmp_path: Path) -> None:
    children = [
        {"column": "z", "normalisation": "z_score"},
        {"column": "p", "normalisation": "percentile_rank", "scale_high": 100},
        {"column": "e", "normalisation": "exponential_rank"},
    ]
    found = {node.code: node for node in Spec.read(written(tmp_path, {"children": children})).leaves}
    assert (found["z"].scale_low, found["z"].scale_high) == (0, 1)
    assert (found["p"].scale_high, found["p"].rank_share) == (100, "(r-1)/(n-1)")
    assert (found["e"].scale_high, found["e"].rank_share) == (100, "r/n")


@pytest.mark.parametrize(
    ("index", "told"),
    [
        ({"children": [{"column": "a", "wieght": 2}]}, "index.children.0.wieght: no such key"),
        ({"children": [{"column": "a", "mean": "sum"}]}, "a: mean is only for groups"),
        ({"children": [{"column": "a"}], "transform": "log"}, "index: transform is only for leaves"),
        ({"children": [{"code": "a"}]}, "a: a leaf has no column"),
        ({"children": [{"column": "a"}, {"column": "a"}]}, "a: two nodes have this code"),
        ({"children": [{"children": [{"column": "a"}]}]}, "a group below it has no code"),
        (
            {"children": [{"column": "a", "normalisation": "goalposts", "goalpost_low": 1}]},
            "a: goalposts need",
        ),
        (
            {"children": [{"column": "a", "normalisation": "distance_to_target"}]},
            "a: distance_to_target needs",
        ),
        ({"children": [{"column": "a"}], "mean": "geometric"}, "index: a geometric mean needs a floor"),
        ({"children": [{"column": "a", "direction": 2}]}, "index.children.0.direction"),
        ({"column": "a"}, "has no children"),
        (
            {
                "children": [
                    {
                        "column": "a",
                        "transform": "log",
                        "normalisation": "goalposts",
                        "goalpost_low": 0,
                        "goalpost_high": 9,
                    }
                ]
            },
            "a: the log of 0 does not exist",
        ),
    ],
)
def test_a_mistake_is_told_in_a_sentence(tmp_path: Path, index: dict[str, Any], told: str) -> None:
    with pytest.raises(BadInput) as caught:
        Spec.read(written(tmp_path, index))
    assert told in str(caught.value) and "spec.yml" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_file_that_is_no_yaml_is_told(tmp_path: Path) -> None:
    (tmp_path / "spec.yml").write_text("name: [", encoding="utf-8")
    with pytest.raises(BadInput, match="is not YAML"):
        Spec.read(tmp_path / "spec.yml")
