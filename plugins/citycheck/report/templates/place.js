// The chosen place, and the four answers: how it is, whether it got better, what is missing, what is done about it.
"use strict";

citycheck.place = (() => {
  const { core, areas, part, state, say, t, number, change, direction, element, isCity, isCounty, isCommunity, nameOf, countyOf } = citycheck;
  const { interval } = citycheck.charts;
  const { link } = citycheck.ledger;
  const SHOWN = 40;

  // Finding ------------------------------------------------------------------------------------------------------

  const county = document.getElementById("county");
  const input = document.getElementById("community");
  const found = document.getElementById("found");
  let matches = [];
  let active = -1;

  function fill() {
    county.replaceChildren(
      element("option", { value: 0 }, t("全市", "Whole city")),
      ...Array.from({ length: core.counties }, (_, n) => element("option", { value: n + 1 }, areas.name[n + 1])));
    county.value = String(isCity(state.place) ? 0 : countyOf(state.place) ?? 0);
    input.placeholder = t("输入名称查找", "Type a name");
    input.value = isCommunity(state.place) ? nameOf(state.place) : "";
  }

  function open(query) {
    const words = query.toLowerCase().split(/\s+/).filter(Boolean);
    const within = Number(county.value);
    const text = (at) => `${areas.name[at]} ${core.streets[areas.street[at]] ?? ""} ${within ? "" : nameOf(areas.county[at] ?? 0)}`.toLowerCase();
    matches = citycheck.communities(within).filter((at) => words.every((word) => text(at).includes(word)));
    const more = matches.length - SHOWN;
    matches = matches.slice(0, SHOWN);
    active = -1;
    found.replaceChildren(...matches.map((at, n) => element("li", { role: "option", id: `found-${n}`, "aria-selected": "false", onmousedown: (event) => { event.preventDefault(); pick(at); } },
      element("span", {}, areas.name[at]), " ", element("small", {}, [core.streets[areas.street[at]], nameOf(areas.county[at] ?? 0)].filter(Boolean).join(" · ")))),
      ...(matches.length ? [] : [element("li", { role: "option", "aria-disabled": "true", class: "none" }, t("没有找到", "Nothing found"))]),
      ...(more > 0 ? [element("li", { role: "option", "aria-disabled": "true", class: "more" }, t(`还有 ${number(more, 0)} 个，请继续输入`, `${number(more, 0)} more: type on`))] : []));
    found.hidden = false;
    input.setAttribute("aria-expanded", "true");
    input.removeAttribute("aria-activedescendant");
  }
  function close() {
    found.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }
  function mark(at) {
    active = (at + matches.length) % matches.length;
    [...found.children].forEach((option, n) => option.setAttribute("aria-selected", String(n === active)));
    found.children[active].scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", `found-${active}`);
  }
  function pick(at) {
    close();
    citycheck.choose(at);
  }
  county.addEventListener("change", () => citycheck.choose(Number(county.value)));
  input.addEventListener("focus", () => { input.select(); open(""); });
  input.addEventListener("input", () => open(input.value));
  input.addEventListener("blur", () => { close(); input.value = isCommunity(state.place) ? nameOf(state.place) : ""; });
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
    else if (event.key === "Enter" && matches.length && !found.hidden) { event.preventDefault(); pick(matches[Math.max(0, active)]); }
    else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && matches.length) {
      event.preventDefault();
      if (found.hidden) open(input.value);
      mark(event.key === "ArrowDown" ? active + 1 : active < 0 ? -1 : active - 1);
    }
  });

  // 1. How it is -------------------------------------------------------------------------------------------------

  function band(at) {
    return areas.band[at] == null ? "" : say(core.bands[areas.band[at]] ?? { zh: "", en: "" });
  }

  function now(at) {
    const parts = [];
    if (areas.score[at] == null) {
      parts.push(element("p", { class: "figure none" }, citycheck.insufficient()),
        element("p", {}, areas.weight[at] == null ? "" : t(`指数只能依据 ${number(areas.weight[at])}% 的权重，缺少的不作估计，因此不给指数。`, `An index could rest on only ${number(areas.weight[at])} % of its weight; what is missing is not guessed, so there is none.`)));
    } else {
      const rank = areas.rank[at];
      const ranked = isCounty(at) ? areas.rank.slice(1, citycheck.first) : areas.rank.slice(citycheck.first);
      const of = ranked.filter((other) => other != null).length;
      parts.push(element("div", { class: "headline" },
        element("p", { class: "figure" }, number(areas.score[at]), element("small", {}, t(" 分", " points"))),
        element("dl", {},
          band(at) && element("div", {}, element("dt", {}, t("等次", "Band")), element("dd", {}, band(at))),
          areas.low[at] != null && element("div", {}, element("dt", {}, t("90% 区间", "90 % interval")), element("dd", {}, `${number(areas.low[at])}–${number(areas.high[at])}`)),
          rank != null && element("div", {}, element("dt", {}, isCounty(at) ? t(`名次（共 ${of}）`, `Rank of ${of}`) : t(`全市名次（共 ${number(of, 0)}）`, `Rank of ${number(of, 0)}`)),
            element("dd", {}, String(rank), areas.rank_low[at] != null && areas.rank_low[at] !== areas.rank_high[at] ? element("small", {}, t(`（区间 ${areas.rank_low[at]}–${areas.rank_high[at]}）`, ` (${areas.rank_low[at]}–${areas.rank_high[at]})`)) : null)))));
      if (isCounty(at)) {
        const same = core.differences.filter((pair) => pair.includes(at)).map(([one, other]) => nameOf(one === at ? other : one));
        if (same.length) parts.push(element("p", {}, t(`与${same.join("、")}没有明显差别。`, `Not clearly different from ${same.join(", ")}.`)));
        else if (core.counties > 1 && areas.low[at] != null) parts.push(element("p", {}, t("与其他各县（市、区）都有明显差别。", "Clearly different from every other county.")));
      }
    }
    const scores = core.dimension_scores;
    const shown = core.dimensions.map((of, n) => ({ of, n })).filter(({ n }) => scores.score[n].some((score) => score != null));
    if (shown.length) {
      parts.push(element("table", { class: "dimensions" },
        element("caption", { class: "hidden" }, t("各方面的得分", "Scores of the dimensions")),
        element("thead", {}, element("tr", {}, element("th", { scope: "col" }, t("方面", "Dimension")), element("th", { scope: "col", class: "num" }, t("得分", "Score")), element("td", { class: "bar" }), element("th", { scope: "col", class: "num" }, t("变化", "Change")))),
        element("tbody", {}, shown.map(({ of, n }) => element("tr", {},
          element("th", { scope: "row" }, say(of)),
          element("td", { class: "num" }, scores.score[n][at] == null ? citycheck.insufficient() : number(scores.score[n][at])),
          element("td", { class: "bar" }, interval(scores.score[n][at], scores.low[n][at], scores.high[n][at])),
          element("td", { class: `num change ${direction(scores.change[n][at])}` }, change(scores.change[n][at])))))));
    }
    if (core.extra) parts.push(element("p", {}, `${say(core.measures[0])}${t("：", ": ")}`, element("strong", {}, core.extra[at] == null ? citycheck.insufficient() : `${number(core.extra[at], core.measures[0].digits)} ${say(core.measures[0].unit)}`)));
    if (areas.reports[at] != null) parts.push(element("p", { class: "note" }, t(`每千人报事报修 ${number(areas.reports[at])} 件`, `${number(areas.reports[at])} repair reports per 1,000 residents`), areas.residents[at] == null ? "" : t(`；常住人口 ${number(areas.residents[at], 0)} 人。`, `; ${number(areas.residents[at], 0)} residents.`)));
    return parts;
  }

  // 2. Is it better, and is the difference real ------------------------------------------------------------------

  /** Causes that are something that happened, not another measurement of the same. */
  const HAPPENED = ["facilities", "estates", "population", "reports"];

  function better(at) {
    const moved = core.change;
    if (moved.half_year == null) return [element("p", { class: "none" }, t("没有可以对照的半年。", "There is no half-year to compare with."))];
    const before = citycheck.halfYear(moved.half_year);
    const points = moved.points[at];
    if (points == null) {
      const why = moved.why[at] == null ? t("没有可以对照的数值", "There is nothing to compare") : say(moved.reasons[moved.why[at]]);
      return [element("p", { class: "none" }, t(`与${before}不可比：${why}。`, `Not comparable with the ${before}: ${why}.`))];
    }
    const rows = moved.causes.map((of, n) => ({ name: say(of), code: of.code, points: moved.by_cause[n][at] ?? 0, isReal: HAPPENED.includes(of.code) })).filter((row) => row.points !== 0);
    const sum = (keep) => rows.filter(keep).reduce((total, row) => total + row.points, 0);
    const measured = sum((row) => !row.isReal && row.code !== "survey");
    const half = areas.low[at] == null ? null : (areas.high[at] - areas.low[at]) / 2;
    const size = number(Math.abs(points));
    const said = points === 0 ? t(`与${before}相同。`, `The same as in the ${before}.`)
      : points > 0 ? t(`比${before}上升 ${size} 分。`, `${size} points more than in the ${before}.`)
        : t(`比${before}下降 ${size} 分。`, `${size} points less than in the ${before}.`);
    const isClear = half != null && Math.abs(points) > half;
    // Points of causes are hundredths, those of the change tenths.
    const isOfData = 2 * Math.abs(measured) > 10 * Math.abs(points);
    const real = points === 0 ? "" : half == null ? t("没有区间，不能判断差别是否真实。", "There is no interval to judge it by.")
      : isClear && isOfData ? t(`这一变化超过指数区间的一半（${number(Math.round(half))} 分），但主要来自数据或标准的变动，不说明情况有了变化。`, `That is more than half of the index’s interval (${number(Math.round(half))} points), but most of it comes from data or standard, and says nothing of the place itself.`)
      : isClear ? t(`这一变化超过指数区间的一半（${number(Math.round(half))} 分），是明显的变化。`, `That is more than half of the index’s interval (${number(Math.round(half))} points): a clear change.`)
        : t(`这一变化在指数的不确定范围之内（区间的一半为 ${number(Math.round(half))} 分），不能说有明显变化。`, `That lies within what is uncertain about the index (half of its interval is ${number(Math.round(half))} points): no clear change.`);
    const parts = [element("p", { class: "verdict" }, element("strong", { class: direction(points) }, said), " ", real)];
    const scores = core.series.score.map((column) => column[at]);
    if (scores.filter((score) => score != null).length > 1) {
      const words = t("各半年的指数：", "Index by half-year: ") + scores.map((score, n) => `${core.half_years[n]} ${number(score)}`).join(t("，", ", "));
      parts.push(element("figure", {}, citycheck.charts.trend(core.half_years, scores, core.half_year, areas.low[at], areas.high[at], words),
        element("figcaption", { class: "note" }, t("各半年的指数，按现行标准；色条为本期的 90% 区间。", "Index by half-year, by today’s standard; the band is this one’s 90 % interval."),
          core.series.breaks.length ? t(`${core.series.breaks.join("、")} 前后不可比。`, ` Does not compare across ${core.series.breaks.join(", ")}.`) : "", citycheck.ledger.synthetic())));
    }
    if (rows.length) {
      parts.push(element("p", {}, t(
        `其中实际发生的（设施、小区、人口、报修）${change(sum((row) => row.isReal), 2)}，问卷 ${change(sum((row) => row.code === "survey"), 2)}，数据与标准 ${change(measured, 2)}。`,
        `Of it, what happened (facilities, estates, people, reports) ${change(sum((row) => row.isReal), 2)}; answers to the survey ${change(sum((row) => row.code === "survey"), 2)}; data and standard ${change(measured, 2)}.`)));
      const words = rows.map((row) => `${row.name} ${change(row.points, 2)}`).join(t("；", "; "));
      parts.push(element("figure", {}, citycheck.charts.causes(rows, words), element("figcaption", { class: "note" }, t("变化的原因（分）：实色为实际发生的，斜纹为测量上的。各原因之和等于变化（四舍五入或略有出入）。", "What moved the index, in points: solid bars happened, hatched ones are how it is measured. They add up to the change, but for rounding."))));
    }
    parts.push(element("p", { class: "note" }, t("判断偏于谨慎：两个半年用同样的权重和目标值，真实的差别往往比区间所示更清楚。", "The judgement errs on the careful side: both half-years share weights and goalposts, so a difference may be clearer than the interval tells.")));
    return parts;
  }

  // 3. What is missing, 4. what is done about it -----------------------------------------------------------------

  /** The shortfalls of a place by kind: how many communities lack it, and how many people. */
  function lacking(at) {
    const of = part("shortfalls");
    const kinds = new Map();
    for (let n = 0; n < of.area.length; n += 1) {
      const area = of.area[n];
      if (isCommunity(at) ? area !== at : isCounty(at) && areas.county[area] !== at) continue;
      const code = of.kinds[of.kind[n]];
      const row = kinds.get(code) ?? { code, people: 0, communities: 0, statuses: new Set(), metres: of.metres[n], gap: of.gap[n] };
      row.people += of.people[n] ?? 0;
      row.communities += 1;
      row.statuses.add(of.statuses[of.status[n]]);
      kinds.set(code, row);
    }
    return [...kinds.values()].sort((one, other) => other.people - one.people || other.communities - one.communities || (one.code < other.code ? -1 : 1));
  }

  const kinds = (count) => (count === 1 ? "1 kind" : `${count} kinds`);
  const kindButton = (code) => element("button", { type: "button", class: "plainly", title: t("在地图上看", "See it on the map"), onclick: () => citycheck.map.showKind(code) }, citycheck.ledger.kindName(code));

  function missing(at, rows) {
    if (!rows.length) return [element("p", {}, t("没有可判定的短板。", "No shortfall could be established."))];
    const one = isCommunity(at);
    const list = (of) => of.map((row) => element("tr", {},
      element("th", { scope: "row" }, kindButton(row.code), one ? element("small", {}, [...row.statuses].map((code) => say(core.shortfalls[code])).join(t("、", ", "))) : null),
      element("td", { class: "num" }, citycheck.ledger.people(row.people, row.code)),
      element("td", { class: "num" }, number(one ? row.metres : row.communities, 0))));
    const table = (of) => element("table", { class: "lacking" },
      element("caption", { class: "hidden" }, t("短板", "Shortfalls")),
      element("thead", {}, element("tr", {}, element("th", { scope: "col" }, t("设施", "Facility")), element("th", { scope: "col", class: "num" }, t("影响人数", "People affected")),
        element("th", { scope: "col", class: "num" }, one ? t("未覆盖者最近（米）", "Nearest left out, m") : t("社区数", "Communities")))),
      element("tbody", {}, list(of)));
    const rest = rows.slice(8);
    return [
      element("p", {}, one ? t(`有 ${rows.length} 类设施存在短板；人数为服务对象中${core.network ? "步行" : "直线"}距离内没有达标设施的人。`, `${kinds(rows.length)} of facility ${rows.length === 1 ? "falls" : "fall"} short. People are those it is meant for who have none that counts within ${core.network ? "their walk" : "its radius"}.`)
        : t(`有 ${rows.length} 类设施存在短板，按影响人数排列。`, `${kinds(rows.length)} of facility ${rows.length === 1 ? "falls" : "fall"} short, by the people affected.`)),
      table(rows.slice(0, 8)),
      rest.length ? element("details", {}, element("summary", {}, t(`其余 ${rest.length} 类`, `${rest.length} more`)), table(rest)) : null,
    ];
  }

  function actions(at, rows) {
    const projects = citycheck.projects.at(at);
    if (!rows.length) return [...projects, element("p", {}, t("没有短板，也就没有对应的更新行动。", "Nothing falls short, so no action answers it."))];
    const groups = new Map();
    for (const row of rows) {
      const kind = core.kinds.find((of) => of.code === row.code);
      const code = kind?.action && core.actions[kind.action] ? kind.action : "";
      groups.set(code, [...(groups.get(code) ?? []), { ...row, kind }]);
    }
    const asks = (kind) => [
      kind.obligation === "recommended" ? t("推荐配置", "recommended") : "",
      kind.radius_stock ? t(`${kind.radius} 米内，既有城区 ${kind.radius_stock} 米内`, `within ${kind.radius} m, ${kind.radius_stock} m in existing areas`)
        : kind.radius ? t(`${kind.radius} 米内`, `within ${kind.radius} m`) : "",
      !kind.floor ? "" : kind.subtype ? t(`其中超市建筑面积 ${number(Math.round(kind.floor), 0)} 平方米以上`, `supermarkets ${number(Math.round(kind.floor), 0)} m² of floor or more`)
        : kind.relaxed ? t(`建筑面积 ${number(Math.round(kind.floor), 0)} 平方米以上，条件受限时 ${number(Math.round(kind.relaxed), 0)} 平方米`, `${number(Math.round(kind.floor), 0)} m² of floor or more, ${number(Math.round(kind.relaxed), 0)} where there is no room`)
          : t(`建筑面积 ${number(Math.round(kind.floor), 0)} 平方米以上`, `${number(Math.round(kind.floor), 0)} m² of floor or more`),
      kind.land ? t(`用地 ${number(Math.round(kind.land), 0)} 平方米以上`, `${number(Math.round(kind.land), 0)} m² of land or more`) : "",
    ].filter(Boolean).join(t("，", ", "));
    return [
      ...projects,
      element("p", {}, t("标准把每类短板归入一项城市更新行动（归类为建议）：", "The standard refers every kind of shortfall to one of the actions of urban renewal (the reference is a proposal):")),
      element("dl", { class: "actions" }, [...groups].sort(([one], [other]) => (one < other ? -1 : 1)).map(([code, members]) => element("div", {},
        element("dt", {}, code ? say(core.actions[code]) : t("标准未指明", "Not named by the standard"), element("small", {}, t(` ${members.length} 类`, ` ${kinds(members.length)}`))),
        element("dd", {}, element("details", {}, element("summary", {}, t("标准要求什么", "What the standard asks for")), element("ul", {}, members.map(({ kind, code: of }) => element("li", {}, citycheck.ledger.kindName(of), kind && asks(kind) ? `${t("：", ": ")}${asks(kind)}` : ""))))))) ),
    ];
  }

  // Together -----------------------------------------------------------------------------------------------------

  function show() {
    const at = state.place;
    const rows = lacking(at);
    const where = isCommunity(at)
      ? [core.streets[areas.street[at]], " · ", areas.county[at] != null && link(areas.county[at])].filter(Boolean)
      : isCounty(at) ? t(`${number(citycheck.communities(at).length, 0)} 个社区`, `${number(citycheck.communities(at).length, 0)} communities`)
        : t(`${core.counties} 个县（市、区），${number(citycheck.communities().length, 0)} 个社区`, `${core.counties} counties, ${number(citycheck.communities().length, 0)} communities`);
    const answer = (n, title, parts) => element("section", { class: "answer", "aria-labelledby": `answer-${n}` }, element("h3", { id: `answer-${n}` }, element("span", { class: "step", "aria-hidden": "true" }, String(n)), title), ...parts.filter(Boolean));
    document.getElementById("answer").replaceChildren(
      element("div", { class: "chosen" }, element("p", { class: "name" }, nameOf(at), citycheck.ledger.synthetic()), element("p", { class: "where" }, where)),
      answer(1, t("现在怎么样", "How is it now?"), now(at)),
      answer(2, t("比半年前好吗，差别真实吗", "Is it better than half a year ago, and is that real?"), better(at)),
      answer(3, isCommunity(at) ? t("步行范围内缺什么", "What is missing within my walk?") : t("缺什么", "What is missing?"), missing(at, rows)),
      answer(4, t("将怎样改进", "What will be done about it?"), actions(at, rows)));
    document.getElementById("told").textContent = `${nameOf(at)}${t("：", ": ")}${areas.score[at] == null ? citycheck.insufficient() : t(`指数 ${number(areas.score[at])} 分`, `index ${number(areas.score[at])} points`)}`;
    fill();
  }

  return { show };
})();
