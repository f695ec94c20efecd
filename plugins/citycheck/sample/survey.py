"""The wave of the resident survey: who answers, how satisfied they are, what they need."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from citycheck.period import HalfYear
from citycheck.sample.draws import MIDDLE, Array, choose, pick, stream, wave
from citycheck.sample.people import People
from citycheck.sample.places import COUNTIES, Places
from citycheck.sample.sheets import clock
from citycheck.sample.words import (
    AGE_BANDS,
    DIMENSIONS,
    IMPORTANCE,
    KIND_DIMENSIONS,
    KINDS,
    NEEDS,
    NOT_USED,
    NOT_USED_ON_PAPER,
    REMARKS,
    SATISFACTION,
    UNKNOWN,
    UNKNOWN_ON_PAPER,
)

# Steps of the latent satisfaction between two neighbouring answers.
THRESHOLDS = np.array([-1.9, -1.1, -0.30, 1.05])
NEED_THRESHOLDS = np.array([-1.6, -0.8, 0.1, 1.0])
CHILD_KINDS, ELDER_KINDS = ("F03", "F04", "F05", "F06"), ("F07", "F08", "F09")
CHILD_NEEDS, ELDER_NEEDS = slice(4, 8), (10, 11, 15)


@dataclass(frozen=True)
class Answers:
    """Answers of both channels; choices are indexes, -1 is "don't know" and -2 is "not used"."""

    unit: Array
    answered_at: Array
    on_paper: Array
    profile: dict[str, Array]
    overall: Array
    kinds: Array
    needs: Array
    top_needs: Array
    has_reported: Array
    reporting: Array
    remark: Array


def build(seed: int, places: Places, people: People, reach: Array, half_year: HalfYear, t: int) -> Answers:
    """Draw the wave of half-year `t`: 118 to 172 answers a unit."""
    rng = stream(seed, "survey", t)
    units = len(places.rows)
    unit = np.repeat(np.arange(units), rng.integers(118, 173, units))
    n = len(unit)
    county = places.county[unit]
    on_paper = rng.random(n) < 0.34
    profile = _profile(rng, people.unit_elder_share(units)[unit], on_paper)
    elder = profile["年龄段"] == AGE_BANDS[3]
    has_child = profile["家中有12岁及以下儿童"] == "是"

    mood = stream(seed, "mood").normal(0, 0.18, (units, len(DIMENSIONS)))
    counties = np.array([c.contentment for c in COUNTIES.values()])[:, None] + wave(
        seed, "survey", len(COUNTIES), 0.11
    )
    person = rng.normal(0, 0.55, n) + 0.12 * elder + (counties[:, t] + 0.012 * (t - MIDDLE))[county]
    dimension_of = np.array([list(DIMENSIONS).index(d) for d in KIND_DIMENSIONS])
    by_dimension = np.column_stack([reach[:, dimension_of == d].mean(axis=1) for d in range(len(DIMENSIONS))])
    latent = (
        (1.2 * (by_dimension - 0.55) + mood)[unit]
        + person[:, None]
        + rng.normal(0, 0.8, (n, len(DIMENSIONS)))
    )
    overall = np.digitize(latent, THRESHOLDS)
    overall[rng.random(overall.shape) < 0.035] = -1

    latent = (1.4 * (reach - 0.55))[unit] + person[:, None] + rng.normal(0, 0.9, (n, len(KINDS)))
    kinds = np.digitize(latent, THRESHOLDS)
    use = np.full((n, len(KINDS)), 0.86)
    for codes, concerned in ((CHILD_KINDS, has_child), (ELDER_KINDS, elder)):
        for code in codes:
            use[:, list(KINDS).index(code)] = np.where(concerned, 0.80, 0.22)
    kinds[rng.random(kinds.shape) > use] = -2
    kinds[rng.random(kinds.shape) < 0.02] = -1

    lack = np.column_stack([1 - by_dimension[:, list(DIMENSIONS).index(d)] for _, d in NEEDS])
    appeal = stream(seed, "needs").normal(0.35, 0.30, len(NEEDS))
    latent = (
        1.3 * (lack - 0.4)[unit]
        + appeal
        + 0.3 * rng.normal(size=(n, 1))
        + rng.normal(0, 0.8, (n, len(NEEDS)))
    )
    latent[:, CHILD_NEEDS] += np.where(has_child, 0.6, -0.9)[:, None]
    latent[:, ELDER_NEEDS] += np.where(elder, 0.8, -0.2)[:, None]
    needs = np.digitize(latent, NEED_THRESHOLDS)
    top_needs = np.argsort(-latent, axis=1, kind="stable")[:, :5]

    has_reported = rng.random(n) < 0.24
    pace = np.array([c.timeliness for c in COUNTIES.values()]) - 1
    reporting = np.digitize(
        (1.2 * pace)[county][:, None] + person[:, None] + rng.normal(0, 0.8, (n, 3)), THRESHOLDS
    )
    days = (_first_day(half_year.next) - _first_day(half_year)).astype(int)
    # The wave is in the field from the third to the fifth month.
    answered_at = (
        _first_day(half_year).astype("datetime64[s]")
        + np.floor(rng.uniform(62, days - 32, n)).astype("timedelta64[D]")
        + np.floor(np.clip(rng.normal(14.5, 3.5, n), 7, 22) * 3600).astype("timedelta64[s]")
    )
    remark = np.where(rng.random(n) < 0.12, pick(rng, REMARKS, [1.0] * len(REMARKS), n), "")
    return Answers(
        unit,
        answered_at,
        on_paper,
        profile,
        overall,
        kinds,
        needs,
        top_needs,
        has_reported,
        reporting,
        remark,
    )


def columns(places: Places, answers: Answers, half_year: HalfYear, on_paper: bool) -> dict[str, list[object]]:
    """The export of one channel: words online, codes of one digit on paper."""
    chosen = np.flatnonzero(answers.on_paper == on_paper)
    chosen = chosen[np.argsort(answers.answered_at[chosen], kind="stable")]
    letter = "Z" if on_paper else "X"
    satisfaction = _code_words(5) if on_paper else SATISFACTION
    importance = _code_words(5) if on_paper else IMPORTANCE
    special = [NOT_USED_ON_PAPER, UNKNOWN_ON_PAPER] if on_paper else [NOT_USED, UNKNOWN]
    # Indexes -2 and -1 count from the end: "not used" and "don't know".
    rated = np.array([*satisfaction, *special], dtype=object)
    weighed = np.array(importance, dtype=object)
    numbers = range(1, len(chosen) + 1)
    out: dict[str, list[object]] = {
        "问卷编号": [f"WJ{half_year}{letter}{i:05d}" for i in numbers],
        "社区编码": places.ids[answers.unit[chosen]].tolist(),
        "填答时间": list(clock(answers.answered_at[chosen])),
        "姓名": [f"合成受访者{i:05d}" for i in numbers],
        "手机号": [f"000-{i // 10_000:04d}-{i % 10_000:04d}" for i in numbers],
    }
    out |= {name: values[chosen].tolist() for name, values in answers.profile.items()}
    for d, word in enumerate(DIMENSIONS.values()):
        out[f"总体满意度_{word}"] = rated[answers.overall[chosen, d]].tolist()
    for k, word in enumerate(KINDS.values()):
        out[f"设施满意度_{word}"] = rated[answers.kinds[chosen, k]].tolist()
    for i, (word, _) in enumerate(NEEDS):
        out[f"需求重要度_{word}"] = weighed[answers.needs[chosen, i]].tolist()
    codes = [f"N{i + 1:02d}" for i in range(len(NEEDS))]
    out["最急需的五项"] = ["|".join(codes[i] for i in five) for five in answers.top_needs[chosen].tolist()]
    reported = answers.has_reported[chosen]
    out["本半年是否报事报修"] = np.where(reported, "是", "否").tolist()
    for i, word in enumerate(("上报便捷度", "处理速度", "处理结果")):
        out[f"报事报修_{word}"] = np.where(reported, rated[answers.reporting[chosen, i]], "").tolist()
    out["意见"] = answers.remark[chosen].tolist()
    return out


def invitation_columns(seed: int, places: Places, answers: Answers, t: int) -> dict[str, list[object]]:
    """How many were asked, by community and channel: more online, where fewer of those who are asked answer."""
    units = len(places.rows)
    rng = stream(seed, "invitations", t)
    columns: dict[str, list[object]] = {"社区编码": [], "渠道": [], "邀请人数": []}
    for on_paper, channel, rate in ((False, "线上", 0.22), (True, "纸质", 0.61)):
        answered = np.bincount(answers.unit[answers.on_paper == on_paper], minlength=units)
        asked = np.ceil(answered / np.clip(rng.normal(rate, 0.05, units), 0.08, 0.9)).astype(int)
        columns["社区编码"] += places.ids.tolist()
        columns["渠道"] += [channel] * units
        columns["邀请人数"] += asked.tolist()
    return columns


def _profile(rng: np.random.Generator, elder_share: Array, on_paper: Array) -> dict[str, Array]:
    """The twelve questions about the respondent; older people answer on paper more often than online."""
    n = len(on_paper)
    elder = np.clip(elder_share * np.where(on_paper, 2.3, 0.8), 0.05, 0.75)
    rest = (1 - elder)[:, None] * np.where(on_paper[:, None], [0.18, 0.36, 0.46], [0.30, 0.44, 0.26])
    age = choose(rng, np.column_stack([rest, elder]))
    has_child = rng.random(n) < np.array([0.16, 0.52, 0.20, 0.24])[age]
    lives_with_elder = (age == 3) | (rng.random(n) < 0.28)
    size = np.clip(rng.poisson(1.6, n) + 1 + has_child, 1, 7)
    return {
        "年龄段": np.array(AGE_BANDS, dtype=object)[age],
        "性别": pick(rng, ["女", "男"], [0.53, 0.47], n),
        "住房性质": np.where(rng.random(n) < np.array([0.45, 0.72, 0.86, 0.90])[age], "自有", "租住"),
        "家中有12岁及以下儿童": np.where(has_child, "是", "否"),
        "家庭人口数": size,
        "户籍": pick(rng, ["本地", "外地"], [0.78, 0.22], n),
        "文化程度": pick(rng, ["初中及以下", "高中或中专", "大专", "本科及以上"], [0.3, 0.3, 0.2, 0.2], n),
        "就业状况": np.where(
            age == 3, "退休", pick(rng, ["在职", "自由职业", "学生", "待业"], [0.7, 0.16, 0.08, 0.06], n)
        ),
        "家中有60岁及以上老人": np.where(lives_with_elder, "是", "否"),
        "居住年限": pick(rng, ["1年以下", "1-5年", "6-10年", "10年以上"], [0.1, 0.3, 0.25, 0.35], n),
        "住房建成年代": pick(rng, ["2000年以前", "2000-2010年", "2011年以后"], [0.34, 0.36, 0.30], n),
        "行动不便": np.where(rng.random(n) < np.where(age == 3, 0.14, 0.02), "是", "否"),
    }


def _code_words(size: int) -> list[str]:
    return [str(i + 1) for i in range(size)]


def _first_day(half_year: HalfYear) -> np.datetime64:
    return np.datetime64(f"{half_year.year:04d}-{'01' if half_year.half == 1 else '07'}-01", "D")
