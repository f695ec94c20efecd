from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citycheck.matching.names import _number, conflict, doubt, fold, parse, similarity


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("第三幼儿园", "3幼儿园"),
        ("Ｎｏ．３ Kindergarten", "3 kindergarten"),
        ("臺南市立圖書館", "台南市立图书馆"),
        ("永辉超市（双港店）", "永辉超市双港店"),
        ("St. Mary's", "st marys"),
        ("Third  Kindergarten", "3 kindergarten"),
        ("1st Avenue", "1 avenue"),
        ("第 05 小学", "5小学"),
        ("第一百货", "1百货"),
    ],
)
def test_spelling_is_folded(text, folded):
    assert fold(text) == folded


@pytest.mark.parametrize(
    ("numeral", "number"),
    [("三", "3"), ("十", "10"), ("十二", "12"), ("二十", "20"), ("九十九", "99"), ("一百零五", "105"), ("一百二十", "120"),
     ("二〇一九", "2019"), ("三八", "38"), ("百", "100"), ("十三十", "十3十")],
)  # fmt: skip
def test_chinese_numerals(numeral, number):
    assert _number(numeral) == number


@pytest.mark.parametrize(
    ("left", "right", "reason"),
    [
        ("第一小学", "第二小学", "numbers_differ"),
        ("No. 3 School", "No. 5 School", "numbers_differ"),
        ("菜鸟驿站A区店", "菜鸟驿站B区店", "numbers_differ"),
        ("实验小学东校区", "實驗小學西校區", "opposites_differ"),
        ("East Branch Library", "West Branch Library", "opposites_differ"),
        ("全家便利商店成大店", "萊爾富成大店", "brands_differ"),
        ("统一超商府前店", "全家府前店", "brands_differ"),
        ("柯城区实验小学", "衢江区实验小学", "districts_differ"),
        ("体育中心篮球场", "体育中心足球场", "opposites_differ"),
        ("開元市場", "開元公有零售市場", None),
        ("柯城区实验小学", "实验小学", None),
        ("7-ELEVEN 成功門市", "7-11成功店", None),
        ("第三小学", "第3小学", None),
    ],
)
def test_what_makes_two_names_two_facilities(left, right, reason):
    assert conflict(parse(left), parse(right)) == reason
    assert conflict(parse(right), parse(left)) == reason


@pytest.mark.parametrize(
    ("left", "right", "reason"),
    [
        ("实验小学", "第二实验小学", "number_on_one_side"),
        ("实验小学", "实验小学南校区", "part_on_one_side"),
        ("双港店", "永辉超市双港店", None),
        ("永辉超市", "超市", "brand_on_one_side"),
        ("实验小学", "实验小学", None),
    ],
)
def test_what_only_one_name_says_is_for_a_person(left, right, reason):
    assert doubt(parse(left), parse(right)) == reason


@pytest.mark.parametrize("name", ["世纪联华超市白云店", "夜市场公园", "社区公园", "莲池城市书房"])
def test_a_word_that_ends_like_a_city_or_district_is_none(name):
    assert parse(name).units == ()


def test_the_kinds_own_words_do_not_make_names_alike():
    assert similarity(parse("双港社区卫生服务中心"), parse("浮石社区卫生服务中心")) < 0.5


def test_names_of_the_kind_alone_are_not_enough():
    assert similarity(parse("停车场"), parse("停车场")) == 0.75


@given(st.text(max_size=20), st.text(max_size=20))
def test_similarity_is_symmetric_and_between_0_and_1(left, right):
    ours, theirs = parse(left), parse(right)
    assert similarity(ours, theirs) == pytest.approx(similarity(theirs, ours))
    assert 0 <= similarity(ours, theirs) <= 1
    assert conflict(ours, ours) is None and doubt(ours, ours) is None
    assert conflict(ours, theirs) == conflict(theirs, ours)


@given(st.integers(1, 199), st.integers(1, 199))
def test_different_numbers_never_match(one, other):
    reason = conflict(parse(f"第{one}小学"), parse(f"第{other}小学"))
    assert (reason == "numbers_differ") == (one != other)
