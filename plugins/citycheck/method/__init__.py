"""The method in words: `docs/method.md` and `docs/method.zh-CN.md`, made of the standard's seeds and dbt's descriptions.

`make docs` writes both. What the seeds say is said there and nowhere else: a number in these pages is read, not typed.
"""

from __future__ import annotations

from collections import Counter
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from citycheck import standard
from citycheck.lake.files import replacing
from citycheck.settings import settings

Language = Literal["en", "zh"]
PAGES: dict[Language, str] = {"en": "method.md", "zh": "method.zh-CN.md"}
Row = dict[str, str]


def text(language: Language) -> str:
    """The page in one language, as Markdown."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    return environment.get_template("method.md.j2").render(page=Page(language), standard=standard)


def write(folder: Path | None = None) -> list[Path]:
    """Write both pages to `folder`, by default docs/; returns their paths."""
    paths = []
    for language, name in PAGES.items():
        path = (folder or settings().project / "docs") / name
        with replacing(path) as temporary:
            temporary.write_text(text(language), encoding="utf-8")
        paths.append(path)
    return paths


class Page:
    """What the template asks: words in its language, and rows of the seeds with what belongs to them."""

    def __init__(self, language: Language) -> None:
        self.language = language

    def __call__(self, en: str, zh: str) -> str:
        return en if self.language == "en" else zh

    def name(self, row: Row) -> str:
        return row[f"name_{self.language}"]

    def word(self, group: str, code: str) -> str:
        """A code in words; the code itself where no words are known."""
        if group == "family_names":
            return str(_words()["families"][code]["name"][self.language])
        words: dict[str, Any] = _words()[group].get(code, {})
        return str(words.get(self.language, code))

    def status(self, status: str, source: str = "") -> str:
        """How a number is known, with its sources."""
        if not status:
            return "–"
        told = self.word("statuses", status)
        return f"{told} ({', '.join(source.split('|'))})" if source else told

    def number(self, value: str, unit: str = "") -> str:
        """A number of a seed with its unit; – where there is none."""
        if not value:
            return "–"
        words = self.word("units", "pct" if unit == "share" else unit) if unit else ""
        shown = f"{float(value) * (100 if unit == 'share' else 1):.12g}"
        return f"{shown}{self(' ', '')}{words}".rstrip()

    def parameter(self, name: str) -> str:
        row = next(row for row in standard.seed("scoring") if row["parameter"] == name)
        return self.number(row["value"], row["unit"])

    def bare(self, name: str) -> str:
        """A parameter without its unit, for a sentence that says it."""
        return f"{standard.parameter(name):.12g}"

    @cached_property
    def indices(self) -> list[dict[str, Row]]:
        """The headline and its controls, each as level → row."""
        rows = standard.seed("index_levels")
        codes = dict.fromkeys(row["index_code"] for row in rows)
        return [{row["level"]: row for row in rows if row["index_code"] == code} for code in codes]

    def note(self, row: Row) -> str:
        return (
            row["note"]
            if self.language == "en"
            else _words()["parameters"].get(row["parameter"], row["note"])
        )

    @cached_property
    def assumptions(self) -> list[dict[str, str]]:
        """The assumptions of the uncertainty, one row each, their options joined."""
        found: dict[str, list[Row]] = {}
        for row in standard.seed("uncertainty"):
            found.setdefault(row["assumption"], []).append(row)
        return [
            {
                "name": self.name(rows[0]),
                "distribution": self.word("distributions", rows[0]["distribution"]),
                "range": self._range(rows),
                "note": self._assumption_note(code, rows),
                "status": self.status(rows[0]["status"], rows[0]["source_id"]),
            }
            for code, rows in found.items()
        ]

    def _range(self, rows: list[Row]) -> str:
        if rows[0]["low"]:
            return f"{float(rows[0]['low']) * 100:+g} % – {float(rows[0]['high']) * 100:+g} %"
        options = [
            f"× {row['factor']}" if row["factor"] else self.word("options", row["option_code"])
            for row in rows
        ]
        return ", ".join(option for option in options if option) or "–"

    def _assumption_note(self, code: str, rows: list[Row]) -> str:
        if self.language == "zh":
            return str(_words()["assumptions"].get(code, ""))
        return "; ".join(row["note"] for row in rows if row["note"])

    def family(self, code: str) -> str:
        """What stands above and below the line: dbt's description of the model, or the same in Chinese."""
        family = _words()["families"][code]
        return str(family["zh"]) if self.language == "zh" else described(family["model"])

    def weight_in_index(self, row: Row) -> str:
        dimension = next(
            d for d in standard.seed("dimensions") if d["dimension_code"] == row["dimension_code"]
        )
        return f"{float(dimension['weight_pct']) * float(row['weight']):.6g} %"

    def group(self, row: Row) -> str:
        groups = {group["group_code"]: group for group in standard.seed("population_groups")}
        return self.name(groups[row["target_group"]]) if row["target_group"] else "–"

    def kinds(self, row: Row) -> list[Row]:
        """The kinds of facility that an indicator looks at."""
        codes = [
            k["kind_code"]
            for k in standard.seed("indicator_kinds")
            if k["indicator_code"] == row["indicator_code"]
        ]
        return [kind for kind in standard.seed("facility_kinds") if kind["kind_code"] in codes]

    def radius(self, row: Row) -> str:
        """The radius of a coverage, with its status; of several kinds each."""
        if row["radius_m_override"]:
            status = self.status(row["radius_m_override_status"], row["radius_m_override_source"])
            return f"{self.number(row['radius_m_override'], 'm')}; {status}"
        told = []
        for kind in self.kinds(row):
            radius = f"{kind['kind_code']} {self.number(kind['radius_m'], 'm')}; "
            radius += self.status(kind["radius_status"], kind["radius_source"])
            if row["uses_stock_radius"] == "true" and kind["radius_stock_m"]:
                radius += self("; existing areas ", "；既有地区") + self.number(kind["radius_stock_m"], "m")
                radius += "; " + self.status(kind["radius_stock_status"])
            told.append(radius)
        return "<br>".join(told)

    def parts(self, row: Row) -> tuple[str, str]:
        """Numerator and denominator in words."""
        quotients = _words()["quotients"]
        if named := quotients.get(row["indicator_code"]):
            return named["numerator"][self.language], named["denominator"][self.language]
        formula = row[f"formula_{self.language}"]
        remark = formula.find(self("; ", "；"))
        quotient = formula if remark < 0 else formula[:remark]
        above, line, below = quotient.partition(" / ")
        if line:
            return above, below.split(" × ")[0]
        named = quotients[row["family"]]
        return named["numerator"][self.language], named["denominator"][self.language]

    def subtype(self, code: str) -> str:
        """A type of outlet in words."""
        return self.name(next(row for row in standard.seed("service_types") if row["type_code"] == code))

    def conflicts(self, code: str) -> list[Row]:
        return [row for row in standard.seed("conflicts") if code in row["indicator_codes"].split("|")]

    def conflict(self, row: Row, key: str) -> str:
        return row[key if self.language == "en" else f"{key}_zh"]

    def named(self, seed: str, code: str) -> str:
        """The name of a row by its code, the seed's first column; any of them for *."""
        if code == "*":
            return self("any", "任意")
        return self.name(next(row for row in standard.seed(seed) if next(iter(row.values())) == code))

    def subject(self, code: str) -> str:
        """A kind of facility with its code, or a category of repair reports."""
        if code in standard.codes("facility_kinds", "kind_code"):
            return f"{code} {self.named('facility_kinds', code)}"
        return self.named("repair_categories", code)

    def needs(self, rule: Row) -> str:
        """What makes a rule of the seed `renewal_rules` one of macro renewal."""
        words = {
            "needs_land": self("land", "用地"),
            "needs_demolition": self("demolition", "拆除"),
            "needs_plan_amendment": self("amended plan", "调整规划"),
            "is_macro": self("macro renewal", "大更新"),
        }
        return self(", ", "、").join(word for name, word in words.items() if rule[name] == "true") or "–"

    @cached_property
    def provenance(self) -> list[tuple[str, int]]:
        """How many numbers of the standard have each status, over all seeds."""
        count: Counter[str] = Counter()
        for path in sorted((settings().dbt_project / "seeds").glob("*.csv")):
            for row in standard.seed(path.stem):
                for column, value in row.items():
                    if value and (column == "status" or column.endswith("_status")):
                        count[value] += 1
        return [(status, count[status]) for status in _words()["statuses"] if count[status]]


@lru_cache
def described(model: str) -> str:
    """dbt's description of a model, without its grain."""
    path = next((settings().dbt_project / "models").rglob(f"{model}.yml"))
    models = yaml.safe_load(path.read_text(encoding="utf-8"))["models"]
    about = " ".join(next(m for m in models if m["name"] == model)["description"].split())
    return about[: about.rindex("One row per")].strip()


@lru_cache
def _words() -> dict[str, Any]:
    words: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("words.yml").read_text(encoding="utf-8"))
    return words
