// Renewal: the list of projects, what a place gets, the goals and the programmes of a budget.
"use strict";

citycheck.projects = (() => {
  const { core, areas, part, say, t, number, element, isCity, isCounty, nameOf } = citycheck;
  const { link, filtered, synthetic } = citycheck.ledger;
  const of = () => part("projects");
  /** A sparse column as a map, made once. */
  const sparse = ((made) => (name) => made.get(name) ?? made.set(name, new Map(of()[name])).get(name))(new Map());
  const names = ((made) => () => (made.names ??= new Map(of().name.map(([n, zh, en]) => [n, { zh, en }]))))({});

  const subject = (n) => say(of().subjects[of().subject[n]] ?? { zh: "", en: "" });
  const said = (words, at) => (at == null ? "–" : say(words[at]));
  /** Thousands of CNY as 10,000 (Chinese) or as millions. */
  const cost = (value) => (value == null ? "–" : t(number(value), number(Math.round(value / 10), 2)));
  const costName = () => t("造价（万元）", "Cost, million CNY");
  const isEnded = (n) => ["evaluated", "closed", "dropped"].includes(of().statuses[of().status[n]]?.code);

  /** How many are affected: people, households, or the reports behind it. */
  function people(n) {
    if (sparse("reports").has(n)) return [number(sparse("reports").get(n), 0), element("small", {}, t(" 件报修", " reports"))];
    return citycheck.ledger.people(of().people[n], of().subjects[of().subject[n]]?.code);
  }
  /** The priority; its parts and what else is known on demand. */
  function priority(n) {
    const parts = of().parts.map((part, at) => [say(part), number(of().priority_parts[at][n])]);
    const more = [
      [t("尺度", "Scale"), said(of().scales, of().scale[n])],
      [t("更新手段", "Means"), said(of().means_of, of().means[n])],
      of().size[n] != null && [t("所需面积（平方米）", "Size needed, m²"), number(of().size[n], 0)],
      [t("首次出现", "First seen"), of().half_years[of().since[n]] || "–"],
      sparse("department").has(n) && [t("责任部门", "Department"), sparse("department").get(n)],
      sparse("ends").has(n) && [t("计划完工", "Planned end"), sparse("ends").get(n)],
    ].filter(Boolean);
    return element("details", { class: "parts" }, element("summary", {}, number(of().priority[n])),
      element("dl", {}, [...parts, ...more].map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)))));
  }
  /** Where it is in its life, with the mark of supervision. */
  function status(n) {
    const mark = sparse("supervision").get(n);
    return [said(of().statuses, of().status[n]), mark == null ? null : element("strong", { class: "none" }, ` ${say(of().supervisions[mark])}`)];
  }
  const name = (n) => [link(of().area[n]), " ", names().has(n) ? say(names().get(n)) : subject(n)];

  // The list -----------------------------------------------------------------------------------------------------

  /** The projects that a programme would serve. @returns {Set<number>} */
  function served(value) {
    const [objective, budget] = value.split("-").map(Number);
    let at = 0;
    return new Set(of().frontier[objective].projects[budget].map((step) => (at += step)));
  }
  let programme = { value: "", projects: new Set() };
  const inProgramme = (n, value) => {
    if (programme.value !== value) programme = { value, projects: served(value) };
    return programme.projects.has(n);
  };
  const budget = (frontier, at) => t(`${number(Math.round(frontier.budget[at] / 10), 0)} 万元`, `${number(Math.round(frontier.budget[at] / 100))} million CNY`);
  const present = (words, column) => words.map((word, at) => [String(at), say(word)]).filter(([at]) => of()[column].includes(Number(at)));

  const list = filtered("projects", {
    rows: () => of().area.length,
    text: (n) => `${areas.name[of().area[n]]} ${core.streets[areas.street[of().area[n]]] ?? ""} ${nameOf(areas.county[of().area[n]] ?? 0)} ${names().has(n) ? say(names().get(n)) : subject(n)} ${sparse("department").get(n) ?? ""}`,
    filters: {
      county: { options: citycheck.ledger.counties, keeps: (n, value) => areas.county[of().area[n]] === Number(value) },
      pool: { options: () => present(of().pools, "pool"), keeps: (n, value) => of().pool[n] === Number(value) },
      status: { options: () => present(of().statuses, "status"), keeps: (n, value) => of().status[n] === Number(value) },
      action: { options: () => present(of().actions, "action"), keeps: (n, value) => of().action[n] === Number(value) },
      programme: {
        options: () => of().frontier.flatMap((frontier, objective) => frontier.budget.map((_, at) => [`${objective}-${at}`, `${say(frontier)}${t("：", ": ")}${budget(frontier, at)}`])),
        keeps: inProgramme,
      },
    },
    table: () => ({
      caption: t("优先级高的在前，点开可见各部分。预计效果为该项目单独建成后新覆盖的服务对象（含邻近社区）和本社区指数提高的分数。", "The highest priority first; open it for its parts. The predicted effect is of the project alone: those it is meant for who are newly covered, in all communities, and points of the community’s index."),
      empty: t("没有符合条件的项目", "No project matches"),
      columns: [
        { name: t("项目", "Project"), cell: name },
        { name: t("县（市、区）", "County"), cell: (n) => nameOf(areas.county[of().area[n]] ?? 0) },
        { name: t("项目库", "Pool"), cell: (n) => said(of().pools, of().pool[n]) },
        { name: t("状态", "Status"), cell: status },
        { name: t("优先级", "Priority"), kind: "num", cell: priority },
        { name: t("影响人数", "People affected"), kind: "num", cell: people },
        { name: t("预计新覆盖", "Newly covered"), kind: "num", cell: (n) => number(of().covered[n], 0) },
        { name: t("预计指数（分）", "Points"), kind: "num", cell: (n) => (of().points[n] == null ? "–" : citycheck.change(of().points[n], 2)) },
        { name: t("选址", "Site"), cell: (n) => said(of().sites, of().site[n]) },
        { name: costName(), kind: "num", cell: (n) => [cost(of().cost[n]), stated(n) ? element("small", {}, t(" 部门填报", " stated")) : ""] },
      ],
    }),
  });
  const stated = ((made) => (n) => (made.set ??= new Set(of().stated)).has(n))({});

  // The chosen place ---------------------------------------------------------------------------------------------

  /** What the fourth answer says of projects. */
  function at(place) {
    const rows = [];
    of().area.forEach((area, n) => { if (!isEnded(n) && (isCity(place) || (isCounty(place) ? areas.county[area] === place : area === place))) rows.push(n); });
    if (!rows.length) return [element("p", {}, t("本期这里没有更新项目。", "There is no renewal project here in this half-year."))];
    const sum = (numbers) => numbers.reduce((total, n) => total + (of().cost[n] ?? 0), 0);
    const scope = element("p", {}, t(`共 ${number(rows.length, 0)} 个更新项目，估算造价 ${number(Math.round(sum(rows) / 10), 0)} 万元。`, `${number(rows.length, 0)} renewal ${rows.length === 1 ? "project" : "projects"}, ${number(Math.round(sum(rows) / 100))} million CNY by estimate.`), " ", element("a", { href: "#projects-title", onclick: () => list.set("county", isCity(place) ? "" : String(citycheck.countyOf(place))) }, t("项目清单", "List of projects")));
    const note = element("p", { class: "note" }, t("“拟议”的项目由规则得出，尚未经部门决定，不是承诺；造价为估算。", "“Proposed” projects follow from rules; no department has decided on them, and they are no promise. Costs are estimates."));
    const table = (heads, body) => element("table", { class: "lacking" }, element("caption", { class: "hidden" }, t("更新项目", "Renewal projects")),
      element("thead", {}, element("tr", {}, heads.map((head, n) => element("th", { scope: "col", class: n ? "num" : null }, head)))), element("tbody", {}, body));
    const line = (head, small, ...cells) => element("tr", {}, element("th", { scope: "row" }, head, element("small", {}, small)), cells.map((cell) => element("td", { class: "num" }, cell)));
    if (isCity(place) || isCounty(place)) {
      return [scope, table([t("项目库", "Pool"), t("项目", "Projects"), costName()],
        of().pools.flatMap((pool, code) => {
          const members = rows.filter((n) => of().pool[n] === code);
          return members.length ? [line(say(pool), null, number(members.length, 0), t(number(Math.round(sum(members) / 10), 0), number(Math.round(sum(members) / 100))))] : [];
        })), note];
    }
    const listed = (numbers) => table([t("项目", "Project"), t("优先级", "Priority"), t("新覆盖", "Newly covered"), costName()],
      numbers.map((n) => line(names().has(n) ? say(names().get(n)) : subject(n), [said(of().pools, of().pool[n]), " · ", ...status(n)], number(of().priority[n]), number(of().covered[n], 0), cost(of().cost[n]))));
    const rest = rows.slice(6);
    return [scope, listed(rows.slice(0, 6)), rest.length ? element("details", {}, element("summary", {}, t(`其余 ${rest.length} 个`, `${rest.length} more`)), listed(rest)) : null, note];
  }

  // Goals and budgets --------------------------------------------------------------------------------------------

  function goals() {
    document.getElementById("goals")?.replaceChildren(...of().goals.filter((goal) => goal.values.some((value) => value != null)).map((goal) => {
      const told = goal.values.map((value, n) => (value == null ? "" : `${goal.half_years[n]} ${number(value, goal.digits)}`)).filter(Boolean).join(t("，", ", "));
      const words = `${say(goal)}${t("：", ": ")}${told}${t("；目标", "; target")} ${number(goal.target, goal.digits)}`;
      return element("figure", {}, element("figcaption", {}, say(goal), element("small", {}, ` ${say(goal.unit)}`), synthetic()), citycheck.charts.goal(goal, words));
    }));
  }
  function frontier() {
    document.getElementById("frontier")?.replaceChildren(...of().frontier.map((frontier) => {
      const words = `${say(frontier)}${t("：", ": ")}${frontier.budget.map((_, n) => `${budget(frontier, n)} ${number(frontier.value[n], frontier.digits)}`).join(t("；", "; "))}`;
      return element("figure", {}, element("figcaption", {}, say(frontier), synthetic()), citycheck.charts.frontier(frontier, words));
    }));
  }

  /** What the map says of a project. */
  const tell = (n) => ({ at: of().area[n], what: names().has(n) ? say(names().get(n)) : subject(n), cost: `${said(of().sites, of().site[n])} · ${said(of().pools, of().pool[n])} · ${costName()} ${cost(of().cost[n])}` });

  return { filters: list.fill, show() { list.show(); goals(); frontier(); }, at, tell };
})();
