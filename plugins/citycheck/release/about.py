"""What every part of a release says of itself: whose it is, of when, which version, of which kind and stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import duckdb

from citycheck.errors import BadInput
from citycheck.period import HalfYear
from citycheck.release.publication import Publication


class Words(NamedTuple):
    """The same in Chinese and in English."""

    zh: str
    en: str


KIND_NAMES = {
    "initial": Words("首次发布", "First release"),
    "scheduled_revision": Words("定期修订", "Scheduled revision"),
    "correction": Words("更正", "Correction"),
}
FEEDS = {
    "communities": Words("社区底数", "Communities"),
    "facilities": Words("公共服务设施", "Facilities"),
    "survey": Words("居民调查", "Resident survey"),
    "repair_reports": Words("报事报修", "Repair reports"),
}
LEVELS = {
    "city": Words("全市", "City"),
    "county": Words("县（市、区）", "County"),
    "street": Words("街道（镇）", "Street"),
    "community": Words("社区", "Community"),
}
TABLES = {
    "communities": Words("社区", "Communities"),
    "buildings": Words("住宅楼或人口点", "Buildings"),
    "community_changes": Words("社区变更", "Changes of communities"),
    "estates": Words("住宅小区", "Estates"),
    "local_figures": Words("本市自有数据", "Figures of the city"),
    "walking_edges": Words("步行路网", "Walking network"),
    "facilities": Words("设施", "Facilities"),
    "candidate_sites": Words("可用房屋与地块", "Vacant rooms and land"),
    "survey_responses": Words("问卷", "Answers"),
    "meeting_items": Words("座谈会纪要", "Minutes of meetings"),
    "population_margins": Words("人口构成", "Population by age, sex, tenure and household"),
    "survey_invitations": Words("问卷发放数", "Invitations to the survey"),
    "repair_reports": Words("报修件各版本", "Versions of reports"),
}
REASONS = {
    "missing_key": Words("缺少主键", "The key is missing"),
    "key_conflict": Words("同一主键内容不一", "The same key twice with different contents"),
    "bad_value": Words("取值缺失或无法识别", "A value is missing or cannot be read"),
    "unknown_code": Words("代码不在标准内", "A code that the standard does not know"),
    "out_of_city": Words("位置在城市范围之外", "The place lies outside the city"),
    "swapped_coordinates": Words("经纬度颠倒", "Longitude and latitude are swapped"),
    "zero_coordinates": Words("坐标为零", "The place is at 0, 0"),
    "unknown_community": Words("社区不在名录内", "The community is not in the register"),
    "unknown_estate": Words("小区不在名录内", "The estate is not in the register"),
    "negative_number": Words("数量为负", "A negative number"),
    "age_groups_do_not_add_up": Words(
        "分年龄人数与总数不符", "The age groups do not add up to the residents"
    ),
    "implausible_size": Words("面积不合理", "An implausible size"),
    "rating_out_of_scale": Words("评分超出量表", "A rating off the scale"),
    "outside_coverage": Words("不在来源覆盖的时间内", "Outside the time that the sources cover"),
    "time_order": Words("时间先后矛盾", "Times in an impossible order"),
    "future_time": Words("时间晚于来源写入时间", "A time later than the source could know"),
    "invalid_geometry": Words("边界或线形无效", "An invalid boundary or line"),
}
AT_ONCE = Words("批准后即发布", "at once, when approved")


class Announced(NamedTuple):
    """When a stage of a half-year is released, as it was announced when the version was made."""

    half_year: str
    stage: Words
    at: Words


@dataclass(frozen=True)
class About:
    """A release in words. Moments are ISO 8601 with an offset."""

    city: str
    city_name: Words
    half_year: Words
    is_synthetic: bool
    cut_off: str
    publication: Publication
    stage: Words
    responsible: Words | None
    """Whose error a correction puts right."""
    dates: tuple[Announced, ...] = ()
    """Of the stages of the half-year, and of the first stage of the next."""

    @property
    def code(self) -> str:
        """Such as 2026H1."""
        return self.publication.half_year

    @property
    def version(self) -> Words:
        return Words(f"第 {self.publication.version} 版", f"version {self.publication.version}")

    @property
    def kind(self) -> Words:
        return KIND_NAMES[self.publication.kind]

    @property
    def released(self) -> Words:
        """The announced time, or that there is none."""
        return Words(*[moment(self.publication.release_at)] * 2) if self.publication.release_at else AT_ONCE

    @property
    def reason(self) -> Words | None:
        """Why there is another version; None when nothing is said."""
        zh, en = self.publication.reason_zh, self.publication.reason_en
        return Words(zh or en or "", en or zh or "") if zh or en else None

    @property
    def workbook(self) -> str:
        """The name of the workbook's file."""
        return f"citycheck-{self.code}.xlsx"

    def moment_utc(self, form: str) -> str:
        """The cut-off in UTC: the moment of files that must carry one, whenever they are written."""
        return datetime.fromisoformat(self.cut_off).astimezone(UTC).strftime(form)

    @property
    def title(self) -> Words:
        """Without version: city, half-year, and that the data is made up where it is."""
        return Words(
            f"{self.city_name.zh}城镇社区体检 {self.code}" + ("（合成数据）" if self.is_synthetic else ""),
            f"{self.city_name.en} community check-up {self.code}"
            + (" (synthetic data)" if self.is_synthetic else ""),
        )


def describe(connection: duckdb.DuckDBPyConnection, provenance: Mapping[str, Any]) -> About:
    """The release whose build is open on `connection`. Raises `BadInput` when its standard does not know its stage."""
    publication = Publication.from_json(provenance["publication"])
    stages = {
        code: Words(zh, en)
        for code, zh, en in connection.execute(
            "select stage_code, name_zh, name_en from standard.release_stages"
        ).fetchall()
    }
    dates = provenance.get("dates") or []
    for code in (publication.stage, *(date["stage"] for date in dates)):
        if code not in stages:
            raise BadInput(
                f"{publication.half_year}: the build's standard has no stage {code!r} of publication. "
                "Run the whole dbt build again."
            )
    city_name = Words(provenance["city_name_zh"], provenance["city_name_en"])
    return About(
        city=str(provenance["city"]),
        city_name=city_name,
        half_year=half_year(publication.half_year),
        is_synthetic=bool(provenance["is_synthetic"]),
        cut_off=str(provenance["cut_off"]),
        publication=publication,
        stage=stages[publication.stage],
        responsible=_responsible(publication.responsible, city_name, provenance),
        dates=tuple(Announced(date["half_year"], stages[date["stage"]], _announced(date)) for date in dates),
    )


def half_year(text: str) -> Words:
    """A half-year such as 2026H1 in words. Raises `BadInput` for anything else."""
    HalfYear.parse(text)
    year, half = text.split("H")
    return Words(
        f"{year}年{'上' if half == '1' else '下'}半年",
        f"{'first' if half == '1' else 'second'} half of {year}",
    )


def moment(text: str) -> str:
    """An ISO time as people write it, with its distance from UTC."""
    when = datetime.fromisoformat(text)
    offset = when.isoformat()[-6:] if when.utcoffset() else ""
    return f"{when:%Y-%m-%d %H:%M} UTC{offset}"


def _announced(date: Mapping[str, Any]) -> Words:
    at = moment(date["release_at"])
    return Words(f"{at}（已改期）", f"{at} (changed)") if date["is_changed"] else Words(at, at)


def _responsible(code: str | None, city_name: Words, provenance: Mapping[str, Any]) -> Words | None:
    if code is None:
        return None
    if code in (provenance["city"], "city"):
        return city_name
    titles = {source["name"]: source["title"] for source in provenance.get("sources") or []}
    return Words(*[titles.get(code, code)] * 2)
