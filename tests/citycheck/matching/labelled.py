"""A labelled set of pairs for measuring the matching. All of it is synthetic: no pair is taken from a real register.

Hand-written hard cases (`hard_pairs.csv`) and pairs drawn from a seed: a name as one source writes it and as another
does, and neighbours of one kind that are not the same. The held-out part is built from other words and another seed.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

TRADITIONAL = str.maketrans("国学区图馆园儿双会东阳华宝宁丰兴荣乐爱义礼贤贵庆联诚陈刘杨桥树机云灵风飞龙凤马鸟",
                            "國學區圖館園兒雙會東陽華寶寧豐興榮樂愛義禮賢貴慶聯誠陳劉楊橋樹機雲靈風飛龍鳳馬鳥")  # fmt: skip
NUMERALS = "零一二三四五六七八九"


@dataclass(frozen=True)
class LabelledPair:
    language: str
    kind_code: str
    name: str
    other_name: str
    distance_m: float
    is_same: bool


@dataclass(frozen=True)
class Words:
    """What the names of one part are made of."""

    zh: list[str]
    streets: list[str]
    en: list[str]
    chains: list[str]


def _words(zh: str, streets: str, en: str, chains: str) -> Words:
    return Words(zh.split(), streets.split(), en.split(), chains.split())


PARTS = {
    "dev": _words(
        zh="鹿鸣 荷塘 青竹 明月 玉泉 凤凰 龙游 石桥 松园 云溪 金沙 银杏 梅山 兰亭 桂花 安定",
        streets="双港 白云 荷花 府东 新兴",
        en="Oakwood Fairview Lakeside Brookfield Cedar Hillsdale Ashford Kingston Meadow Stonebridge",
        chains="永辉超市 美宜佳便利店 全家便利店",
    ),
    "held_out": _words(
        zh="清水 红星 东阳 华宝 宁乐 义礼 贤林 庆丰 杨柳 飞马 锦绣 碧湖 长乐 古田 莲池 高塘",
        streets="衢江 浮石 黄坛 乌溪 峡川",
        en="Thornhill Westbrook Granville Larkspur Pinecrest Dunmore Whitby Aldergate Foxhall Marlow",
        chains="大润发 罗森便利店 家乐福",
    ),
}
ZH_KINDS = {
    "F04": "幼儿园", "F05": "小学", "F10": "社区卫生服务中心", "F11": "社区卫生服务站", "F13": "城市书房",
    "F14": "农贸市场", "F17": "公园", "F20": "停车场", "F08": "老年食堂", "F01": "社区综合服务中心",
}  # fmt: skip
EN_KINDS = {
    "F04": "Kindergarten", "F05": "Primary School", "F10": "Health Centre", "F13": "Library",
    "F17": "Park", "F20": "Car Park", "F14": "Market",
}  # fmt: skip


def pairs(part: str) -> list[LabelledPair]:
    """The labelled pairs of a part, always the same ones."""
    rng = random.Random({"dev": 20260701, "held_out": 20270102}[part])
    return [*_hard(part), *_zh(rng, PARTS[part]), *_en(rng, PARTS[part])]


def _hard(part: str) -> Iterator[LabelledPair]:
    with Path(__file__).with_name("hard_pairs.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["part"] == part:
                yield LabelledPair(
                    row["language"], row["kind_code"], row["facility_name"], row["other_facility_name"],
                    float(row["distance_m"]), row["is_same"] == "yes",
                )  # fmt: skip


def _near(rng: random.Random) -> float:
    return round(min(rng.expovariate(1 / 25), 110), 1)


def _apart(rng: random.Random) -> float:
    return round(rng.uniform(15, 145), 1)


def _typo(rng: random.Random, name: str) -> str:
    """One character left out, doubled or exchanged with the next."""
    at = rng.randrange(1, len(name) - 1)
    return rng.choice(
        [
            name[:at] + name[at + 1 :],
            name[:at] + name[at] + name[at:],
            name[:at] + name[at + 1] + name[at] + name[at + 2 :],
        ]
    )


def _zh(rng: random.Random, words: Words) -> Iterator[LabelledPair]:
    def once() -> tuple[str, str, str]:
        kind = rng.choice(list(ZH_KINDS))
        return kind, rng.choice(words.zh), ZH_KINDS[kind]

    street = rng.choice(words.streets)
    writes: list[Callable[[str], str]] = [
        lambda name: name,
        lambda name: f"衢州市{name}",
        lambda name: f"衢州市柯城区{name}",
        lambda name: f"柯城区{street}街道{name}",
        lambda name: f"{name}（{street}店）" if name.endswith("市场") else f"【{name}】",
        lambda name: "".join(chr(ord(c) + 0xFEE0) if c.isdigit() else c for c in name),
        lambda name: " ".join(name),
        lambda name: f"{name}有限公司",
        lambda name: (
            name.replace("农贸市场", "菜市场").replace("幼儿园", "幼稚园").replace("老年食堂", "长者食堂")
        ),
        lambda name: name.replace("社区卫生服务站", "卫生服务站").replace("城市书房", "书房"),
    ]
    for write in writes * 6:
        kind, own, word = once()
        yield LabelledPair("zh-CN", kind, own + word, write(own + word), _near(rng), True)
    for write in writes * 4:
        kind, own, word = once()
        name = (own + word).translate(TRADITIONAL)
        yield LabelledPair("zh-TW", kind, name, write(own + word).translate(TRADITIONAL), _near(rng), True)
    for _ in range(12):
        kind, own, word = once()
        number = rng.randrange(1, 10)
        yield LabelledPair(
            "zh-CN", kind, f"{own}第{NUMERALS[number]}{word}", f"{own}第{number}{word}", _near(rng), True
        )
        yield LabelledPair(
            "zh-CN",
            kind,
            f"{own}第{NUMERALS[number]}{word}",
            f"{own}第{number % 9 + 1}{word}",
            _apart(rng),
            False,
        )
    for _ in range(30):
        kind, own, word = once()
        other = rng.choice([word_ for word_ in words.zh if word_ != own])
        yield LabelledPair("zh-CN", kind, own + word, other + word, _apart(rng), False)
        yield LabelledPair(
            "zh-TW", kind, (own + word).translate(TRADITIONAL), other + word, _apart(rng), False
        )
    for _ in range(15):
        chain, (here, there) = rng.choice(words.chains), rng.sample(words.zh, 2)
        yield LabelledPair("zh-CN", "F15", f"{chain}{here}店", f"{chain}（{there}店）", _apart(rng), False)
        yield LabelledPair("zh-CN", "F15", f"{chain}{here}店", f"{chain}（{here}分店）", _near(rng), True)
    for _ in range(10):
        kind, own, word = once()
        yield LabelledPair("zh-CN", kind, own + word, _typo(rng, own + word), _near(rng), True)


def _en(rng: random.Random, words: Words) -> Iterator[LabelledPair]:
    def once() -> tuple[str, str, str]:
        kind = rng.choice(list(EN_KINDS))
        return kind, rng.choice(words.en), EN_KINDS[kind]

    writes: list[Callable[[str], str]] = [
        str.upper,
        lambda name: f"The {name}",
        lambda name: f"{name} Ltd.",
        lambda name: (
            name.replace("Centre", "Center")
            .replace("Primary", "Elementary")
            .replace("Car Park", "Parking Lot")
        ),
        lambda name: name.replace(" ", "-"),
        lambda name: f"{name.split()[-1]}, {' '.join(name.split()[:-1])}",
        lambda name: f"Public {name}",
        lambda name: _typo(rng, name),
    ]
    for write in writes * 6:
        kind, own, word = once()
        yield LabelledPair("en", kind, f"{own} {word}", write(f"{own} {word}"), _near(rng), True)
    for _ in range(30):
        kind, own, word = once()
        other = rng.choice([word_ for word_ in words.en if word_ != own])
        yield LabelledPair("en", kind, f"{own} {word}", f"{other} {word}", _apart(rng), False)
    for _ in range(10):
        kind, own, word = once()
        number = rng.randrange(1, 9)
        yield LabelledPair(
            "en", kind, f"{own} {word} No. {number}", f"{own} {word} {number + 1}", _apart(rng), False
        )
