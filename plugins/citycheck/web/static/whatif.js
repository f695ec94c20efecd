// What if: a place on the map, a list of what is imagined, and the answer as tables. All texts are set as text.
"use strict";

(async () => {
  const id = (name) => document.getElementById(name);
  const page = id("what-if");
  const { here, halfYear, most } = page.dataset;
  const SVG = "http://www.w3.org/2000/svg";
  const [STEP_M, FAR_M] = [50, 500];
  const LEVELS = { city: "全市 City", county: "区县 Counties", street: "街道 Streets", community: "社区 Communities" };
  let known = { map: null, words: {}, kinds: {} };
  /** What is in the list, as the command line takes it. @type {{ add: string[], projects: string[] }} */
  const list = { add: [], projects: [] };
  /** Where the point is drawn, and how far its community stands from its place. */
  let point = null;

  function element(name, about = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(about)) made[key] = value;
    made.append(...children);
    return made;
  }
  function drawn(name, about = {}) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(about)) made.setAttribute(key, value);
    return made;
  }
  const trouble = (text) => { id("trouble").textContent = text; id("trouble").hidden = !text; };

  // The map ------------------------------------------------------------------------------------------------------

  function corners(ring, [dx, dy]) {
    let [x, y] = [ring[0] + dx, ring[1] + dy];
    const found = [[x, y]];
    for (let n = 2; n < ring.length; n += 2) found.push([(x += ring[n]), (y += ring[n + 1])]);
    return found;
  }

  function draw() {
    const map = id("map");
    const rings = known.map.communities.map((one) => one.polygons.flat().map((ring) => corners(ring, one.moved)));
    const [xs, ys] = [0, 1].map((axis) => rings.flat(2).map((corner) => corner[axis]));
    const least = (values) => values.reduce((a, b) => Math.min(a, b));
    const largest = (values) => values.reduce((a, b) => Math.max(a, b));
    const [west, east, south, north] = [least(xs), largest(xs), least(ys), largest(ys)];
    // north is up, and small numbers keep their digits
    Object.assign(known.map, { x0: west, y0: north });
    const margin = (east - west + north - south) / 100;
    map.setAttribute("viewBox", [-margin, -margin, east - west + 2 * margin, north - south + 2 * margin].join(" "));
    const path = (found) => found.map((ring) => `M${ring.map(([x, y]) => `${x - west},${north - y}`).join("L")}Z`).join("");
    known.map.communities.forEach((one, n) => {
      const shape = drawn("path", { d: path(rings[n]), class: "community", "fill-rule": "evenodd" });
      const title = drawn("title");
      title.textContent = `${one.name} · ${one.county}`;
      shape.append(title);
      shape.addEventListener("click", (event) => {
        const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(map.getScreenCTM().inverse());
        put(at.x, at.y, one);
      });
      map.append(shape);
      id("community").append(element("option", { value: String(n), textContent: `${one.name} · ${one.county}` }));
    });
    for (const { moved, ring } of known.map.outlines)
      map.append(drawn("path", { d: path([corners(ring, moved)]), class: "county" }));
    point = { x: 0, y: 0, of: null, mark: drawn("circle", { class: "mark", r: margin / 1.6, visibility: "hidden" }) };
    map.append(point.mark);
  }

  /** Put the point at a place of the drawing, in a community; its fields then say where that is. */
  function put(x, y, of) {
    const { west, south, metres_per_lon, metres_per_lat, x0, y0 } = known.map;
    Object.assign(point, { x, y, of });
    for (const [name, value] of [["cx", x], ["cy", y], ["visibility", "visible"]]) point.mark.setAttribute(name, value);
    id("lon").value = (west + (x + x0 - of.moved[0]) / metres_per_lon).toFixed(6);
    id("lat").value = (south + (y0 - y - of.moved[1]) / metres_per_lat).toFixed(6);
    id("place").textContent = `${of.name} · ${of.county}: ${id("lon").value}, ${id("lat").value}`;
  }

  function middle(of) {
    const rings = of.polygons.map((polygon) => corners(polygon[0], of.moved));
    const ring = rings.reduce((a, b) => (b.length > a.length ? b : a));
    const mean = (axis) => ring.reduce((sum, corner) => sum + corner[axis], 0) / ring.length;
    return [mean(0) - known.map.x0, known.map.y0 - mean(1)];
  }

  id("community").addEventListener("change", () => {
    const of = known.map?.communities[id("community").value];
    if (of) put(...middle(of), of);
  });
  id("map").addEventListener("keydown", (event) => {
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!by || !point?.of) return;
    event.preventDefault();
    const far = event.shiftKey ? FAR_M : STEP_M;
    put(point.x + by[0] * far, point.y + by[1] * far, point.of);
  });

  // The list -----------------------------------------------------------------------------------------------------

  function prefill() {
    const kind = known.kinds[id("kind").value];
    if (!kind) return;
    id("area").value = kind.area_m2;
    id("area-label").lastElementChild.textContent = kind.is_land ? "Land (m²)" : "Size (m²)";
    id("area-label").firstElementChild.textContent = kind.is_land ? "用地面积（m²）" : "面积（m²）";
    id("capacity-label").hidden = !kind.unit;
    id("capacity-unit").textContent = kind.unit ?? "";
    id("capacity").value = "";
  }
  id("kind").addEventListener("change", prefill);

  function show() {
    const shown = [];
    for (const of of ["add", "projects"])
      for (const text of list[of]) {
        const kind = known.kinds[text.split("@")[0]];
        const away = element("button", { type: "button", className: "second", textContent: "移除 Remove", ariaLabel: `移除 Remove ${text}` });
        away.addEventListener("click", () => { list[of] = list[of].filter((one) => one !== text); show(); id("list").focus(); });
        const said = of === "add" && kind ? [element("span", { textContent: `${kind.zh} ${kind.en} ` })] : [];
        shown.push(element("li", {}, ...said, element("code", { textContent: text }), " ", away));
      }
    id("list").replaceChildren(...(shown.length ? shown : [element("li", { className: "quiet", textContent: "还没有 Nothing yet" })]));
  }
  function join(of, text) {
    trouble("");
    if (list[of].includes(text)) return;
    if (list[of].length >= Number(most)) { trouble(`最多 ${most} 项。 At most ${most}.`); return; }
    list[of].push(text);
    show();
  }
  id("one").addEventListener("submit", (event) => {
    event.preventDefault();
    const [lon, lat, area, capacity] = ["lon", "lat", "area", "capacity"].map((name) => id(name).value.trim());
    const more = Object.entries(known.kinds[id("kind").value]?.more ?? {});
    if (capacity && !id("capacity-label").hidden) more.push(["capacity", capacity]);
    const parts = [lon, lat, ...(area ? [area] : []), ...more.map(([name, value]) => `${name}=${value}`)];
    join("add", `${id("kind").value}@${parts.join(",")}`);
  });
  id("of-project").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = id("project").value.trim();
    if (text) join("projects", text);
  });
  id("clear").addEventListener("click", () => {
    Object.assign(list, { add: [], projects: [] });
    id("annual").checked = false;
    id("answer").hidden = true;
    trouble("");
    show();
  });

  // The answer ---------------------------------------------------------------------------------------------------

  const number = (value, digits = 2) =>
    value == null ? "–" : value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const between = (low, high, digits) => (low == null ? "–" : `${number(low, digits)}–${number(high, digits)}`);
  const moved = (before, after) => (before === after ? after : `${before} → ${after}`);
  const called = (code) => (known.words[code] ? `${code} ${known.words[code].join(" ")}` : code);
  function changes(of, digits) {
    const lines = Object.entries(of).filter(([code]) => code !== "index").sort(([a], [b]) => (a < b ? -1 : 1));
    return element("ul", { className: "plain" }, ...lines.map(([code, { before, after }]) => {
      const by = before != null && after != null ? ` (${after >= before ? "+" : ""}${number(after - before, digits)})` : "";
      return element("li", { textContent: `${called(code)}: ${moved(number(before, digits), number(after, digits))}${by}` });
    }));
  }
  function folded(name, of, digits) {
    const count = Object.keys(of).filter((code) => code !== "index").length;
    return count ? [element("details", {}, element("summary", { textContent: `${name}: ${count}` }), changes(of, digits))] : [];
  }
  /** Whether something of an area itself is another, and not only the standing of others beside it. */
  const isItself = ({ before, after, covered, indicators, dimensions }) =>
    before.index !== after.index || [covered, indicators, dimensions].some((of) => Object.keys(of).length);
  function tables(level, effects) {
    const [own, others] = [effects.filter(isItself), effects.filter((one) => !isItself(one))];
    const said = `仅排名或区间有变化 only rank or interval: ${others.length}`;
    const rest = others.length ? [element("details", {}, element("summary", { textContent: said }), table(level, others))] : [];
    const heading = element("h3", {}, LEVELS[level], " ", element("small", { textContent: String(effects.length) }));
    return [heading, ...(own.length ? [table(level, own)] : []), ...rest];
  }
  function table(level, effects) {
    const headings = ["区域 Area", "指数 Index", "指数区间 Interval", "排名 Rank", "排名区间 Rank interval", "覆盖人口 People covered", "维度 Dimensions"];
    const rows = effects.map(({ area_name, area_id, before, after, covered, indicators, indicator_scores, dimensions }) => {
      const cell = (text) => element("td", { className: "number", textContent: text });
      const more = [...folded("指标值 Indicators", indicators, 2), ...folded("指标得分 Scores", indicator_scores, 2)];
      return element("tr", {},
        element("th", { scope: "row" }, area_name || area_id),
        cell(moved(number(before.index), number(after.index))),
        cell(moved(between(before.index_low, before.index_high), between(after.index_low, after.index_high))),
        cell(moved(number(before.rank, 0), number(after.rank, 0))),
        cell(moved(between(before.rank_low, before.rank_high, 0), between(after.rank_low, after.rank_high, 0))),
        element("td", {}, changes(covered, 0)), element("td", {}, changes(dimensions, 2), ...more));
    });
    const head = headings.map((text) => element("th", { scope: "col", textContent: text }));
    const made = element("table", {}, element("caption", { className: "skip", textContent: LEVELS[level] }),
      element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows));
    return element("div", { className: "wide", tabIndex: 0, role: "region", ariaLabel: LEVELS[level] }, made);
  }
  function tell(answer) {
    id("command").textContent = answer.command;
    id("summary").textContent = answer.effects.length
      ? `${answer.additions.length} 处设施，${answer.effects.length} 个区域有变化（第 ${answer.version} 版，用时 ${answer.seconds} 秒） ` +
        `${answer.additions.length} facilities, ${answer.effects.length} areas would be another (version ${answer.version}, ${answer.seconds} s)`
      : "没有变化 Nothing would be another";
    const levels = Object.keys(LEVELS).map((level) => [level, answer.effects.filter((one) => one.area_level === level)]);
    id("tables").replaceChildren(...levels.filter(([, effects]) => effects.length).flatMap((one) => tables(...one)));
    id("answer").hidden = false;
    id("answer-label").focus();
  }
  id("ask").addEventListener("click", async () => {
    const button = id("ask");
    const question = { add: list.add, projects: list.projects, pool: id("annual").checked ? "annual_list" : null };
    trouble("");
    button.disabled = true;
    button.setAttribute("aria-busy", "true");
    try {
      const body = JSON.stringify(question);
      const answer = await fetch(`${here}/ask`, { method: "POST", headers: { "Content-Type": "application/json" }, body });
      const told = await answer.json();
      if (answer.ok) tell(told);
      else { id("answer").hidden = true; trouble(`${told.detail_zh ?? ""} ${told.detail ?? answer.status}`); }
    } catch {
      trouble("没有得到回答：请检查网络，或看 api-server 的日志。 No answer came: see the network, or the log of the api-server.");
    }
    button.disabled = false;
    button.removeAttribute("aria-busy");
  });
  id("copy").addEventListener("click", async () => {
    getSelection().selectAllChildren(id("command"));
    try { await navigator.clipboard.writeText(id("command").textContent); } catch { document.execCommand("copy"); }
    id("copy").textContent = "已复制 Copied";
  });

  show();
  const named = new URLSearchParams(location.search).get("project");
  if (named) join("projects", named.slice(0, 160));
  try {
    const answer = await fetch(`${here}/map`);
    known = await answer.json();
    show();
    prefill();
    draw();
  } catch {
    id("map").remove();
    id("place").textContent = "这一版没有边界可画，请填写经纬度。 There are no borders to draw: write longitude and latitude.";
  }
  document.documentElement.dataset.map = "drawn";
})();
