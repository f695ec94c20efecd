// Tables that are drawn a page at a time, and what the sections below the map say of the chosen place.
"use strict";

citycheck.ledger = (() => {
  const { core, areas, part, state, say, t, number, percent, element, isCity, isCounty, nameOf } = citycheck;
  const PAGE = 20;

  /**
   * A table of many rows, a page at a time.
   * @param {HTMLElement} place
   * @param {{caption: string, columns: {name: string, kind?: string, cell: (row: number) => any}[], rows: number[], empty: string}} of
   */
  function paged(place, of) {
    let page = 0;
    const pages = Math.max(1, Math.ceil(of.rows.length / PAGE));
    const body = element("tbody");
    const where = element("output", { "aria-live": "polite" });
    const [back, next] = [[-1, "‹", "上一页", "Previous page"], [1, "›", "下一页", "Next page"]].map(([by, sign, zh, en]) =>
      element("button", { type: "button", "aria-label": t(zh, en), title: t(zh, en), onclick: () => { page += by; show(); } }, sign));
    function show() {
      const rows = of.rows.slice(page * PAGE, (page + 1) * PAGE);
      body.replaceChildren(...rows.map((row) => element("tr", {}, of.columns.map((column, n) =>
        element(n ? "td" : "th", { class: column.kind, scope: n ? null : "row" }, column.cell(row))))));
      back.disabled = page === 0;
      next.disabled = page >= pages - 1;
      where.textContent = of.rows.length
        ? t(`第 ${number(page * PAGE + 1, 0)}–${number(page * PAGE + rows.length, 0)} 条，共 ${number(of.rows.length, 0)} 条`, `${number(page * PAGE + 1, 0)}–${number(page * PAGE + rows.length, 0)} of ${number(of.rows.length, 0)}`)
        : of.empty;
    }
    const table = element("table", {}, element("caption", {}, of.caption, synthetic()),
      element("thead", {}, element("tr", {}, of.columns.map((column) => element("th", { scope: "col", class: column.kind }, column.name)))), body);
    place.replaceChildren(
      element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": of.caption }, of.rows.length ? table : null),
      element("p", { class: "pager" }, pages > 1 ? back : null, where, pages > 1 ? next : null));
    show();
  }
  const synthetic = () => (core.synthetic ? [" ", element("strong", { class: "synthetic" }, t("合成数据", "synthetic data"))] : []);

  /** A link that chooses a place. */
  const link = (at) => element("a", { href: `#${isCounty(at) ? "county" : "community"}=${encodeURIComponent(areas.id[at])}` }, nameOf(at));

  // A table with filters -----------------------------------------------------------------------------------------

  const option = (value, text, chosen) => element("option", { value, selected: value === chosen }, text);
  /** The counties, by their places. */
  const counties = () => Array.from({ length: core.counties }, (_, n) => [String(n + 1), areas.name[n + 1]]);

  /**
   * A table in the element `id`, chosen by `id`-search and a select for each filter; what the page lacks of them is left out.
   * @param {string} id
   * @param {{rows: () => number, text: (row: number) => string, table: () => any,
   *   filters: Record<string, {options: () => [string, string][], keeps: (row: number, value: string) => boolean}>}} of
   */
  function filtered(id, of) {
    const field = (name) => document.getElementById(`${id}-${name}`);
    const filters = Object.entries(of.filters).filter(([name]) => field(name));
    function fill() {
      for (const [name, { options }] of filters) {
        const kept = field(name).value;
        field(name).replaceChildren(option("", t("全部", "All"), null), ...options().map(([value, text]) => option(value, text, kept)));
      }
    }
    function show() {
      const place = document.getElementById(id);
      if (!place) return;
      const words = field("search").value.toLowerCase().split(/\s+/).filter(Boolean);
      const asked = filters.map(([name, { keeps }]) => [field(name).value, keeps]).filter(([value]) => value !== "");
      const rows = [];
      for (let n = 0; n < of.rows(); n += 1) {
        if (!asked.every(([value, keeps]) => keeps(n, value))) continue;
        if (words.length) {
          const text = of.text(n).toLowerCase();
          if (!words.every((word) => text.includes(word))) continue;
        }
        rows.push(n);
      }
      paged(place, { ...of.table(), rows });
    }
    for (const name of ["search", ...Object.keys(of.filters)]) field(name)?.addEventListener("input", show);
    return { fill, show, set(name, value) { if (field(name)) { field(name).value = value; show(); } } };
  }

  // The ledger of shortfalls -------------------------------------------------------------------------------------

  const kindName = (code) => { const of = core.kinds.find((kind) => kind.code === code); return of ? say(of) : code; };
  /** How many a kind leaves out: people, or households where it is meant for these. */
  function people(count, code) {
    const ofHouseholds = core.kinds.find((kind) => kind.code === code)?.target === "hh";
    return [number(count, 0), ofHouseholds && count != null ? element("small", {}, t(" 户", " households")) : ""];
  }
  const short = () => part("shortfalls");
  const { fill: filters, show: ledger } = filtered("ledger", {
    rows: () => short().area.length,
    text: (n) => `${areas.name[short().area[n]]} ${core.streets[areas.street[short().area[n]]] ?? ""} ${nameOf(areas.county[short().area[n]] ?? 0)} ${kindName(short().kinds[short().kind[n]])}`,
    filters: {
      county: { options: counties, keeps: (n, value) => areas.county[short().area[n]] === Number(value) },
      kind: { options: () => short().kinds.map((code, n) => [String(n), kindName(code)]), keeps: (n, value) => short().kind[n] === Number(value) },
      status: {
        options: () => short().statuses.map((code, n) => [String(n), say(core.shortfalls[code])]).filter(([n]) => short().status.includes(Number(n))),
        keeps: (n, value) => short().status[n] === Number(value),
      },
    },
    table: () => ({
      caption: core.network ? t(`影响人数最多的在前；覆盖率低于 ${core.compliant_pct}% 的记为覆盖不足。距离为未覆盖的住宅中最近一处到达标设施的步行距离。`, `What affects most people comes first; below ${core.compliant_pct} % a kind is not within reach. Distances are on foot, of the nearest home that is left out, to a facility that counts.`)
        : t(`影响人数最多的在前；覆盖率低于 ${core.compliant_pct}% 的记为覆盖不足。距离为未覆盖的住宅中最近一处到达标设施的直线距离。`, `What affects most people comes first; below ${core.compliant_pct} % a kind is not within reach. Distances are in a straight line, of the nearest home that is left out, to a facility that counts.`),
      empty: t("没有符合条件的短板", "No shortfall matches"),
      columns: [
        { name: t("社区", "Community"), cell: (n) => link(short().area[n]) },
        { name: t("县（市、区）", "County"), cell: (n) => nameOf(areas.county[short().area[n]] ?? 0) },
        { name: t("设施", "Facility"), cell: (n) => kindName(short().kinds[short().kind[n]]) },
        { name: t("短板", "Shortfall"), cell: (n) => say(core.shortfalls[short().statuses[short().status[n]]]) },
        { name: t("影响人数", "People affected"), kind: "num", cell: (n) => people(short().people[n], short().kinds[short().kind[n]]) },
        { name: t("覆盖率", "Covered"), kind: "num", cell: (n) => percent(short().covered[n]) },
        { name: t("未覆盖者最近（米）", "Nearest left out, m"), kind: "num", cell: (n) => number(short().metres[n], 0) },
        { name: t("面积缺口（平方米）", "Area gap, m²"), kind: "num", cell: (n) => number(short().gap[n], 0) },
        { name: t("首次出现", "First seen"), cell: (n) => short().half_years[short().since[n]] || "–" },
      ],
    }),
  });

  // What the map shows, as a table -------------------------------------------------------------------------------

  function mapTable() {
    if (!document.getElementById("map-table-box").open) return;
    const of = citycheck.map.measure();
    const column = citycheck.map.values();
    const rows = citycheck.communities().sort((one, other) => (column[other] ?? -1e9) - (column[one] ?? -1e9) || one - other);
    paged(document.getElementById("map-table"), {
      caption: t(`${of.zh}，高的在前。`, `${of.en}, the highest first.`),
      empty: "–",
      rows,
      columns: [
        { name: t("社区", "Community"), cell: link },
        { name: t("街道", "Street"), cell: (at) => core.streets[areas.street[at]] ?? "" },
        { name: t("县（市、区）", "County"), cell: (at) => nameOf(areas.county[at] ?? 0) },
        { name: t("常住人口", "Residents"), kind: "num", cell: (at) => number(areas.residents[at], 0) },
        { name: say(of), kind: "num", cell: (at) => citycheck.map.withUnit(column[at]) },
        { name: t("指数", "Index"), kind: "num", cell: (at) => (areas.score[at] == null ? citycheck.insufficient() : number(areas.score[at])) },
        { name: t("变化", "Change"), kind: "num", cell: (at) => citycheck.change(core.change.points[at]) },
      ],
    });
  }

  // Promises and needs of the chosen place -----------------------------------------------------------------------

  const PROMISES = [["24 小时内分转", "Dispatched in 24 h"], ["分转后 24 小时内回应", "Answered in 24 h of that"]];
  function promises() {
    const place = document.getElementById("promise");
    const known = core.promises.some((columns) => columns.some((column) => column[state.place] != null));
    const title = element("h3", {}, nameOf(state.place));
    if (!known) {
      place.replaceChildren(title, element("p", { class: "none" }, t("没有可以公布的数值。", "There is no figure that may be published.")));
      return;
    }
    const look = [["#1f4e79", "circle"], ["#b35900", "triangle"]];
    const lines = core.promises.flatMap((columns, n) => {
      const line = (at, isCityLine) => ({ name: (isCityLine ? t("全市：", "City: ") : "") + t(...PROMISES[n]), values: columns.map((column) => column[at]), colour: look[n][0], symbol: look[n][1], isCity: isCityLine });
      return isCity(state.place) ? [line(0, false)] : [line(state.place, false), line(0, true)];
    });
    const table = element("table", { class: "slim" }, element("caption", {}, isCity(state.place) ? t("按半年的比例。", "Shares by half-year.") : t("按半年的比例；图中虚线为全市。", "Shares by half-year; dashed lines in the chart are the city’s."), synthetic()),
      element("thead", {}, element("tr", {}, element("th", { scope: "col" }, t("承诺", "Promise")), core.promised.map((halfYear) => element("th", { scope: "col", class: "num" }, halfYear)))),
      element("tbody", {}, lines.map((line) => element("tr", {}, element("th", { scope: "row" }, line.name), line.values.map((value) => element("td", { class: "num" }, percent(value)))))));
    const words = lines.map((line) => `${line.name} ${line.values.map((value, n) => `${core.promised[n]} ${percent(value)}`).join(", ")}`).join("; ");
    place.replaceChildren(title, element("div", { class: "pair" }, citycheck.charts.promises(core.promised, lines, words), element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": t("24 小时的承诺", "The promise of 24 hours") }, table)));
  }

  function needs() {
    const of = part("needs");
    const rows = [];
    for (let n = of.area.indexOf(state.place); n >= 0 && of.area[n] === state.place; n += 1) rows.push(n);
    const place = document.getElementById("need");
    const title = element("h3", {}, nameOf(state.place));
    if (!rows.length) {
      place.replaceChildren(title, element("p", { class: "none" }, t("没有可以公布的问卷结果。", "There is no result of the survey that may be published.")));
      return;
    }
    const most = Math.max(...rows.map((n) => of.high[n] ?? of.urgent[n]));
    place.replaceChildren(title, element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": t("居民最急需的各项", "The needs, one by one") },
      element("table", { class: "slim" },
        element("caption", {}, t(`前 ${rows.length} 项；答卷 ${number(of.respondents[rows[0]], 0)} 份。`, `The first ${rows.length}; ${number(of.respondents[rows[0]], 0)} answers.`), synthetic()),
        element("thead", {}, element("tr", {}, [["", "num"], [t("需求", "Need")], [t("选为最急需", "Chosen as most urgent"), "num"], [t("区间", "Interval"), "num"], ["", "bar"]].map(([name, kind]) =>
          (name ? element("th", { scope: "col", class: kind }, name) : element("td", { class: kind }))))),
        element("tbody", {}, rows.map((n, rank) => element("tr", {},
          element("td", { class: "num rank" }, String(rank + 1)),
          element("th", { scope: "row" }, say(of.needs[of.need[n]])),
          element("td", { class: "num" }, percent(of.urgent[n])),
          element("td", { class: "num" }, of.low[n] == null ? "–" : `${number(of.low[n])}–${number(of.high[n])}`),
          element("td", { class: "bar" }, citycheck.charts.interval(of.urgent[n], of.low[n], of.high[n], 0, most))))))));
  }

  document.getElementById("map-table-box").addEventListener("toggle", mapTable);

  return { filters, ledger, mapTable, promises, needs, link, synthetic, kindName, people, filtered, counties };
})();
