"""What an index is: a tree of nodes, each with all that is done to it, as a frozen object.

A spec is read from YAML (`docs/index-spec.schema.json` is its schema, docs/index-engine.md its manual) or from the rows
of dbt's `int_index_nodes`. What is done to a node, in this order, over the units of one area level:

1. its value. Leaf: column · multiplier / denominator; missing where a code or a zero denominator says so. Group: the
   mean of its children's scores, with the weights of those that have one, if they carry at least `min_share` of all.
2. `value_decimals`: the value rounded.
3. leaves only: `imputation` of what is missing, `transform` (of goalposts and target too), `outliers`.
4. `normalisation`, reversed where `direction` is −1.
5. `decimals`: the score rounded. The score is what the parent takes; ranks are of the score before this rounding.

The formulas follow the handbook of the OECD and JRC (2008), with the names of COINr where it has one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from citycheck.errors import BadInput
from citycheck.strict import Strict

Direction = Literal[1, -1]
Imputation = Literal["none", "mean", "median"]
Transform = Literal["none", "log", "log10", "sqrt"]
Outliers = Literal["none", "winsorise_pct", "winsorise_skew"]
Normalisation = Literal[
    "none",
    "goalposts",
    "min_max",
    "z_score",
    "rank",
    "percentile_rank",
    "exponential_rank",
    "distance_to_target",
]
Ties = Literal["min", "mean", "max"]
RankShare = Literal["(r-1)/(n-1)", "r/n", "(r-0.5)/n", "(r-1)/n", "r/(n+1)"]
Deviation = Literal["sample", "population"]
Mean = Literal["arithmetic", "geometric", "harmonic", "sum"]
Rounding = Literal["half_up", "half_even", "down"]

MAX_STEPS = 6
"""How many levels above the leaves dbt's int_index_levels works through."""
MAX_POINTS = 20
"""How many points winsorise_skew may move at most, in int_index_outliers."""
SCALES: dict[str, tuple[float, float]] = {"z_score": (0.0, 1.0), "percentile_rank": (0.0, 1.0)}
"""The scale of a normalisation where the spec states none; of all others 0 to 100."""
RANK_SHARES: dict[str, RankShare] = {"exponential_rank": "r/n"}
"""How a rank becomes a share where the spec does not say; of all others (r-1)/(n-1)."""


@dataclass(frozen=True)
class Node:
    """One node of an index: a leaf (step 0, from one column) or a group (mean of its children)."""

    code: str
    parent: str | None = None
    step: int = 0
    """0 of a leaf, else one more than the highest of its children."""
    weight: float = 1.0
    direction: int = 1
    column: str | None = None
    denominator: str | None = None
    multiplier: float = 1.0
    value_decimals: int | None = None
    imputation: str = "none"
    transform: str = "none"
    outliers: str = "none"
    outliers_pct: float = 5.0
    """winsorise_pct: so many percent at either end become the percentile there (linear interpolation)."""
    outliers_points: int = 5
    outliers_skewness: float = 2.0
    outliers_kurtosis: float = 3.5
    """winsorise_skew: while |skewness| and the excess kurtosis exceed both, one more point at the end to which the skew
    tends, up to outliers_points of them, takes the value of the next one. COINr's winsorise()."""
    normalisation: str = "none"
    goalpost_low: float | None = None
    goalpost_high: float | None = None
    target: float | None = None
    normalisation_constant: float = 23.0
    scale_low: float = 0.0
    scale_high: float = 100.0
    ties: str = "min"
    rank_share: str = "(r-1)/(n-1)"
    deviation: str = "sample"
    mean: str | None = None
    """Null on leaves."""
    floor: float | None = None
    """What a child counts at least in a geometric or harmonic mean."""
    min_share: float = 1.0
    decimals: int | None = None
    rounding: str = "half_up"

    @property
    def is_leaf(self) -> bool:
        return self.mean is None


@dataclass(frozen=True)
class Spec:
    """An index: its nodes from the leaves to the root, and how its table of data is read."""

    name: str
    unit: str
    nodes: tuple[Node, ...]
    unit_name: str | None = None
    within: str | None = None
    sheet: str | None = None
    header_row: int = 1
    missing: tuple[str | float, ...] = ()
    exclude: Mapping[str, tuple[str | float, ...]] | None = None
    decimals: int | None = None
    rounding: str = "half_up"
    rank_one: str = "highest"
    compare: Mapping[str, str] | None = None

    @classmethod
    def read(cls, path: Path) -> Self:
        """A spec from YAML. Raises `BadInput`, a sentence for each mistake."""
        if not path.is_file():
            raise BadInput(f"{path}: there is no such file. Give the specification of the index as YAML.")
        try:
            written = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            raise BadInput(f"{path}: cannot be read as text. Give a YAML file in UTF-8.") from None
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            where = f"line {mark.line + 1}" if mark else "the file"
            raise BadInput(
                f"{path}: {where} is not YAML ({getattr(error, 'problem', error)}). Correct it."
            ) from None
        try:
            return cls._of(SpecFile.model_validate(written))
        except ValidationError as error:
            raise BadInput("\n".join(_sentence(path, mistake) for mistake in error.errors())) from None
        except BadInput as error:
            raise BadInput(f"{path}: {error}") from None

    @classmethod
    def _of(cls, file: SpecFile) -> Self:
        nodes = _ordered(_flat(file))
        return cls(
            name=file.name,
            unit=file.unit,
            nodes=nodes,
            unit_name=file.unit_name,
            within=file.within,
            sheet=file.sheet,
            header_row=file.header_row,
            missing=tuple(file.missing),
            exclude={column: tuple(values) for column, values in file.exclude.items()},
            decimals=file.decimals,
            rounding=file.rounding,
            rank_one=file.rank_one,
            compare=file.compare,
        )

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]], name: str = "index") -> Self:
        """A spec from rows of `int_index_nodes`, those of one index_code. Raises `BadInput` where they are no tree."""
        nodes = _ordered(_from_row(row) for row in rows)
        return cls(name=name, unit="area_id", nodes=nodes)

    def rows(self) -> list[dict[str, Any]]:
        """The nodes as rows of `int_index_nodes`, without index_code."""
        return [
            {"node_code": (row := asdict(node)).pop("code"), "parent_code": row.pop("parent"), **row}
            for node in self.nodes
        ]

    @property
    def leaves(self) -> tuple[Node, ...]:
        return tuple(node for node in self.nodes if node.is_leaf)

    @property
    def groups(self) -> tuple[Node, ...]:
        """Children before their parents; the root last."""
        return tuple(node for node in self.nodes if not node.is_leaf)

    @property
    def root(self) -> Node:
        return self.nodes[-1]

    def children(self, code: str) -> tuple[Node, ...]:
        return tuple(node for node in self.nodes if node.parent == code)


class NodeFile(Strict):
    """A node in the file: with `children` a group, without them a leaf."""

    code: str | None = Field(default=None, min_length=1)
    """Its name in what comes out; of a leaf by default its column."""
    column: str | None = None
    """Leaf: the column of the data."""
    denominator: str | None = None
    """Leaf: the column by which it is divided; a unit where that is zero or missing has no value."""
    multiplier: float | None = None
    """Leaf: what the value is multiplied by, 1 by default (100 for percent of a denominator)."""
    weight: float | None = Field(default=None, ge=0)
    """Its weight among the children of its parent, 1 by default; only proportions count, save in a sum."""
    direction: Direction | None = None
    """1 where more is more of what the index measures, -1 where it is less."""
    value_decimals: int | None = Field(default=None, ge=0, le=12)
    """Decimals to which the value is rounded before it is normalised."""
    imputation: Imputation | None = None
    """Leaf: what a missing value becomes: nothing, or the mean or median of the others."""
    transform: Transform | None = None
    """Leaf: a transformation of the value, the goalposts and the target."""
    outliers: Outliers | None = None
    """Leaf: treatment of outliers after the transformation."""
    outliers_pct: float | None = Field(default=None, gt=0, lt=50)
    """winsorise_pct: percent at either end that become the percentile there, 5 by default."""
    outliers_points: int | None = Field(default=None, ge=1, le=MAX_POINTS)
    """winsorise_skew: how many points it may move, 5 by default."""
    outliers_skewness: float | None = Field(default=None, gt=0)
    """winsorise_skew: absolute skewness from which, with the kurtosis, a point is moved; 2 by default."""
    outliers_kurtosis: float | None = Field(default=None, gt=0)
    """winsorise_skew: excess kurtosis from which, with the skewness, a point is moved; 3.5 by default."""
    normalisation: Normalisation | None = None
    """How its value becomes its score: min_max on leaves and none on groups, by default."""
    goalpost_low: float | None = None
    """goalposts: the value that scores scale_low; distance_to_target: where it counts from (the smallest by default)."""
    goalpost_high: float | None = None
    """goalposts: the value that scores scale_high."""
    target: float | None = None
    """distance_to_target: the value that scores scale_high."""
    normalisation_constant: float | None = Field(default=None, gt=0)
    """exponential_rank: k of -k·ln(1 - R·(1 - exp(-100/k))), 23 by default."""
    scale_low: float | None = None
    """Lower end of the scale of scores: 0 by default; the mean of a z_score."""
    scale_high: float | None = None
    """Upper end of the scale: 100 by default, 1 of a percentile_rank; a z_score's standard deviation is it less scale_low."""
    ties: Ties | None = None
    """Ranks of equal values: the smallest of them (default), their mean, or the largest."""
    rank_share: RankShare | None = None
    """How the rank r of n units becomes a share: (r-1)/(n-1) by default, r/n of an exponential_rank."""
    deviation: Deviation | None = None
    """z_score: standard deviation of a sample (n-1, default) or of a population (n)."""
    mean: Mean | None = None
    """Group: how the scores of its children become its value; arithmetic by default."""
    floor: float | None = Field(default=None, gt=0)
    """Group: what a child counts at least in a geometric or harmonic mean."""
    min_share: float | None = Field(default=None, ge=0, le=1)
    """Group: share of its children's weight that must have a score, 1 by default: all of them. From 0 on: any."""
    decimals: int | None = Field(default=None, ge=0, le=12)
    """Decimals to which the score is rounded before its parent takes it."""
    rounding: Rounding | None = None
    """Of value_decimals and decimals: half_up (0.125 → 0.13, default), half_even (→ 0.12) or down (→ 0.12)."""
    children: list[NodeFile] | None = Field(default=None, min_length=1)
    """Group: its nodes."""


class Defaults(Strict):
    """What nodes have where they do not say otherwise."""

    leaves: NodeFile = NodeFile()
    groups: NodeFile = NodeFile()


class SpecFile(Strict):
    """An index as a planner or an analyst writes it; `citycheck index` computes it."""

    name: str
    """Name of the index."""
    unit: str
    """Column that names the unit (country, county, tract); no two rows have the same."""
    unit_name: str | None = None
    """Column with the unit's name, to print."""
    within: str | None = None
    """Column of the group of units (a state, a year) inside which everything relative is taken; all of them by default."""
    sheet: str | None = None
    """Sheet of a workbook, the first by default."""
    header_row: int = Field(default=1, ge=1)
    """Row of the file that names the columns."""
    missing: list[str | float] = []
    """Codes that mean that a value is missing, such as -999; an empty cell always does."""
    exclude: dict[str, list[str | float]] = {}
    """Units that do not take part at all: column → values, such as {E_TOTPOP: [0]}."""
    decimals: int | None = Field(default=None, ge=0, le=12)
    """Decimals of the published score."""
    rounding: Rounding = "half_up"
    """How the published score is rounded."""
    rank_one: Literal["highest", "lowest"] = "highest"
    """Which score has rank 1."""
    compare: dict[str, str] = {}
    """Published columns and what they are: column → node, or node.percentile_rank, node.rank, node.value."""
    defaults: Defaults = Defaults()
    """What nodes have where they do not say otherwise."""
    index: NodeFile
    """The root of the tree."""

    @model_validator(mode="after")
    def _has_children(self) -> Self:
        if self.index.children is None:
            raise ValueError("index: has no children; expected a group of nodes")
        return self


_ONLY_LEAVES = frozenset(
    {"column", "denominator", "multiplier", "imputation", "transform", "outliers", "outliers_pct"}
    | {"outliers_points", "outliers_skewness", "outliers_kurtosis"}
)
_ONLY_GROUPS = frozenset({"mean", "floor", "min_share", "children"})
_NODE_FIELDS = frozenset(field.name for field in fields(Node))


def schema_text() -> str:
    """The JSON schema of a spec, as docs/index-spec.schema.json holds it."""
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "index-spec.schema.json",
        "title": "Spec of an index",
    }
    return json.dumps({**SpecFile.model_json_schema(), **head}, ensure_ascii=False, indent=2) + "\n"


def _flat(file: SpecFile) -> list[Node]:
    """The tree as nodes. Raises `BadInput` where a key stands on the wrong kind of node."""
    nodes: list[Node] = []
    defaults = {
        kind: node.model_dump(exclude_none=True, exclude={"children"})
        for kind, node in (("leaf", file.defaults.leaves), ("group", file.defaults.groups))
    }

    def walk(written: NodeFile, parent: str | None) -> int:
        kind = "leaf" if written.children is None else "group"
        given = written.model_dump(exclude_none=True, exclude={"children"})
        code = written.code or written.column or ("index" if parent is None else "")
        for key in sorted(given.keys() & (_ONLY_GROUPS if kind == "leaf" else _ONLY_LEAVES)):
            where = (
                "groups: a node with children" if key in _ONLY_GROUPS else "leaves: a node without children"
            )
            raise BadInput(f"{code or parent}: {key} is only for {where}. Delete it, or move it.")
        if kind == "leaf" and not written.column:
            raise BadInput(f"{code or parent}: a leaf has no column. Name the column of the data.")
        if not code:
            raise BadInput(f"{parent}: a group below it has no code. Give it one.")
        first: dict[str, Any] = {"normalisation": "min_max"} if kind == "leaf" else {"mean": "arithmetic"}
        made: dict[str, Any] = {**first, **defaults[kind], **given}
        method = made.get("normalisation", "none")
        low, high = SCALES.get(method, (0.0, 100.0))
        made = {
            "scale_low": low,
            "scale_high": high,
            "rank_share": RANK_SHARES.get(method, "(r-1)/(n-1)"),
        } | made
        steps = [walk(child, code) for child in written.children or ()]
        node = Node(**(made | {"code": code, "parent": parent, "step": 1 + max(steps, default=-1)}))
        _check(node)
        nodes.append(node)
        return node.step

    walk(file.index, None)
    return nodes


def _from_row(row: Mapping[str, Any]) -> Node:
    renamed = {"node_code": "code", "parent_code": "parent"}
    given = {renamed.get(key, key): value for key, value in row.items()}
    # A null of a table that has been through pandas is NaN, which equals nothing.
    given = {key: None if value != value else value for key, value in given.items() if key in _NODE_FIELDS}
    optional = {field.name for field in fields(Node) if field.default is None}
    return Node(**{key: value for key, value in given.items() if value is not None or key in optional})


def _ordered(nodes: Iterable[Node]) -> tuple[Node, ...]:
    """Leaves first, the root last. Raises `BadInput` where the nodes are no tree, or too deep a one."""
    made = sorted(nodes, key=lambda node: node.step)
    codes = [node.code for node in made]
    for code in codes:
        if codes.count(code) > 1:
            raise BadInput(f"{code}: two nodes have this code. Give each its own.")
    roots = [node.code for node in made if node.parent is None]
    if len(roots) != 1 or made[-1].parent is not None:
        raise BadInput(f"{len(roots)} nodes have no parent; expected one, the root. Correct the tree.")
    steps = {node.code: node.step for node in made}
    for node in made:
        if node.parent is not None and steps.get(node.parent, -1) <= node.step:
            raise BadInput(f"{node.code}: its parent {node.parent} is not above it. Correct the tree.")
    if made[-1].step > MAX_STEPS:
        raise BadInput(
            f"The tree has {made[-1].step} levels above its leaves, and {MAX_STEPS} are computed. Join levels."
        )
    return tuple(made)


def _check(node: Node) -> None:
    """Raises `BadInput` where what the node is to do lacks what it needs."""
    low, high = node.goalpost_low, node.goalpost_high
    if node.normalisation == "goalposts" and (low is None or high is None or low >= high):
        raise BadInput(
            f"{node.code}: goalposts need goalpost_low below goalpost_high (direction -1 reverses). Give both."
        )
    if node.normalisation == "distance_to_target" and node.target is None:
        raise BadInput(f"{node.code}: distance_to_target needs a target. Give it.")
    if node.mean in ("geometric", "harmonic") and node.floor is None:
        raise BadInput(
            f"{node.code}: a {node.mean} mean needs a floor, what a child counts at least. Give one above 0."
        )
    for bound in (node.goalpost_low, node.goalpost_high, node.target):
        if bound is not None and (
            (node.transform in ("log", "log10") and bound <= 0) or (node.transform == "sqrt" and bound < 0)
        ):
            raise BadInput(
                f"{node.code}: the {node.transform} of {bound:g} does not exist. Correct the goalpost."
            )


def _sentence(path: Path, mistake: Any) -> str:
    """One mistake that pydantic found, as a sentence."""
    key = ".".join(str(part) for part in mistake["loc"]) or "the spec"
    message = mistake["msg"].removeprefix("Value error, ")
    if mistake["type"] == "extra_forbidden":
        message = "no such key is known; docs/index-engine.md lists them"
    return f"{path}: {key}: {message}. Correct the spec."
