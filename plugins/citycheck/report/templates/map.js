// The map: communities by class of the measure that is shown, county borders, facilities and their circles.
"use strict";

(() => {
  const { core, areas, part, on, tell, state, say, t, number, element, isCity, isCounty, isCommunity, nameOf } = citycheck;
  const shapes = part("shapes");
  const box = document.getElementById("map-chart");
  const tip = document.getElementById("tip");
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const CLASSES = [0, 1, 2, 3, 4, 5].map((n) => colour(`s${n}`));
  /** Insufficient data: hatched, not only grey. */
  const hatched = (() => {
    const tile = element("canvas", { width: 8, height: 8 });
    const pen = tile.getContext("2d");
    pen.fillStyle = "#f4f4f2";
    pen.fillRect(0, 0, 8, 8);
    pen.strokeStyle = "#8d8d8a";
    pen.lineWidth = 1.4;
    for (const shift of [-8, 0, 8]) { pen.moveTo(shift - 1, 9); pen.lineTo(shift + 9, -1); }
    pen.stroke();
    return { areaColor: { image: tile, repeat: "repeat" } };
  })();
  const moves = new Map(shapes.moves.map(([at, x, y]) => [at, [x, y]]));
  let isTogether = moves.size > 0;
  let bounds = null;
  let isOnPaper = false;

  const moved = (at) => (isTogether && moves.get(at)) || [0, 0];

  /** A ring as corners. @param {number[]} ring @param {number[]} by */
  function corners(ring, [dx, dy]) {
    let [x, y] = [ring[0] + dx, ring[1] + dy];
    const found = [[x, y]];
    for (let n = 2; n < ring.length; n += 2) found.push([(x += ring[n]), (y += ring[n + 1])]);
    return found;
  }

  function around(boxes) {
    const found = [Infinity, Infinity, -Infinity, -Infinity];
    for (const [west, south, east, north] of boxes) {
      found[0] = Math.min(found[0], west); found[1] = Math.min(found[1], south);
      found[2] = Math.max(found[2], east); found[3] = Math.max(found[3], north);
    }
    return found;
  }
  const boxOf = (points) => around(points.map(([x, y]) => [x, y, x, y]));

  /** Borders in the place that is shown, and the box of every community. */
  function placed() {
    const features = [];
    bounds = new Map();
    for (const [at, polygons] of shapes.polygons) {
      const by = moved(at);
      const drawn = polygons.map((rings) => rings.map((ring) => { const of = corners(ring, by); of.push(of[0]); return of; }));
      features.push({ type: "Feature", properties: { name: String(at) }, geometry: { type: "MultiPolygon", coordinates: drawn } });
      bounds.set(at, around(drawn.map((rings) => boxOf(rings[0]))));
    }
    return { type: "FeatureCollection", features };
  }

  /** The borders of the counties; a ring moves with the community that it goes around. */
  const outlines = () => shapes.outlines.map(([at, ring]) => corners(ring, moved(at)));

  // What is shown ------------------------------------------------------------------------------------------------

  const measure = () => core.measures[state.measure];
  /** The column of a measure. @returns {(number | null)[]} */
  function values(of = measure()) {
    if (of.column === "dimension") return core.dimension_scores.score[of.at];
    if (of.column === "kind") return core.access.covered[of.at];
    return of.column === "extra" ? core.extra : areas[of.column];
  }
  const digits = (of = measure()) => of.digits ?? 1;
  const has = (of) => values(of).some((value, at) => value != null && isCommunity(at));

  /** The class of a value, 0 to 5; fewer classes are spread over the same colours. */
  function step(value, of = measure()) {
    if (value == null) return null;
    const at = of.breaks.filter((bound) => value >= Math.round(bound * 10 ** digits(of))).length;
    return of.breaks.length ? Math.round((at * (CLASSES.length - 1)) / of.breaks.length) : 0;
  }
  const withUnit = (value, of = measure()) => (value == null ? citycheck.insufficient() : `${number(value, digits(of))} ${say(of.unit)}`);

  function regions() {
    const column = values();
    return shapes.polygons.map(([at]) => {
      const of = step(column[at]);
      return { name: String(at), itemStyle: of == null ? hatched : { areaColor: CLASSES[of] } };
    });
  }

  function legend() {
    const of = measure();
    const bounds = of.breaks.map((bound) => number(Math.round(bound * 10 ** (bound % 1 ? digits(of) : 0)), bound % 1 ? digits(of) : 0));
    const texts = bounds.length ? [`< ${bounds[0]}`, ...bounds.slice(1).map((high, n) => `${bounds[n]}–${high}`), `≥ ${bounds[bounds.length - 1]}`] : [];
    const lows = [-Infinity, ...of.breaks];
    const items = texts.map((text, n) => element("li", {}, element("span", { class: `swatch s${Math.round((n * 5) / of.breaks.length)}` }), text));
    items.push(element("li", {}, element("span", { class: "swatch hatched" }), citycheck.insufficient()));
    if (lows.length && shownKind()) {
      items.push(element("li", { class: "mark" }, element("span", { class: "dot-in" }), t("达标设施，圈为服务半径", "facility that counts, with its circle")));
      items.push(element("li", { class: "mark" }, element("span", { class: "dot-out" }), t("有设施但不计入", "facility that does not count")));
    }
    items.push(...SITES.flatMap(([code, shape], n) => (siteSeries()[n].data.length ? [element("li", { class: "mark" }, element("span", { class: `site ${shape}` }), t("项目选址：", "site: "), say(part("projects").sites.find((of) => of.code === code)))] : [])));
    document.getElementById("legend").replaceChildren(element("li", { class: "unit" }, say(of.unit)), ...items);
  }

  // Facilities and circles ---------------------------------------------------------------------------------------

  const circles = document.getElementById("circles");
  const shownKind = () => (measure().column === "kind" && circles.checked ? core.kinds[measure().at] : null);
  const STATUS = {
    compliant: ["计入", "counts"], undersized: ["面积不足", "undersized"], closed: ["停用", "closed"],
    planned: ["规划中", "planned"], unverified: ["待核", "not verified"],
  };

  function facilitySeries() {
    const kind = shownKind();
    const points = { counting: [], others: [] };
    if (kind) {
      const all = part("facilities");
      const of = all.kinds.indexOf(kind.code);
      const counts = all.statuses.indexOf("compliant");
      all.kind.forEach((is, n) => {
        if (is !== of || (isTogether && all.area[n] == null)) return;
        const [dx, dy] = moved(all.area[n]);
        (all.status[n] === counts ? points.counting : points.others).push({ value: [all.x[n] + dx, all.y[n] + dy], n });
      });
    }
    const ring = (id, radius, type) => ({
      id, type: "custom", coordinateSystem: "geo", silent: true, z: 3, data: radius ? points.counting : [], animation: false,
      renderItem(_, api) {
        const [x, y] = [api.value(0), api.value(1)];
        const [cx, cy] = api.coord([x, y]);
        return {
          type: "circle", shape: { cx, cy, r: api.coord([x + radius, y])[0] - cx },
          style: { fill: "none", stroke: "#8f4700", lineWidth: 1.2, lineDash: type },
        };
      },
    });
    const dots = { type: "scatter", coordinateSystem: "geo", z: 9, animation: false };
    return [
      ring("circle", kind?.radius, null),
      ring("circle-stock", kind?.radius_stock, [4, 3]),
      { ...dots, id: "counting", symbol: "circle", symbolSize: 7, itemStyle: { color: "#7a3d00", borderColor: "#fff", borderWidth: 1 }, data: points.counting },
      { ...dots, id: "others", symbol: "diamond", symbolSize: 10, itemStyle: { color: "#fff", borderColor: "#1d2733", borderWidth: 1.6 }, data: points.others },
    ];
  }

  // Sites of projects --------------------------------------------------------------------------------------------

  const sites = document.getElementById("sites");
  /** Shapes tell the types apart, not only colours; where a place has still to be found the mark is empty. */
  const SITES = [
    ["to_be_found", "ring", "#5b2a86"], ["reported", "pin", "#3a4550"], ["co_location", "circle", "#8c1d40"],
    ["land", "triangle", "#00664f"], ["vacant_room", "rect", "#5b2a86"],
  ];

  function siteSeries() {
    const all = sites?.checked ? part("projects") : null;
    return SITES.map(([code, shape, fill]) => {
      const of = all?.sites.findIndex((site) => site.code === code);
      const data = [];
      all?.site.forEach((is, n) => {
        if (is !== of || all.x[n] == null) return;
        const [dx, dy] = moved(all.area[n]);
        data.push({ value: [all.x[n] + dx, all.y[n] + dy], project: n });
      });
      const isEmpty = shape === "ring";
      const size = isCity(state.place) ? Math.max(3, Math.min(6, chart.getWidth() / 150)) : 8;
      return {
        id: `site-${code}`, type: "scatter", coordinateSystem: "geo", z: 10, animation: false, data,
        symbol: { ring: "circle", pin: "diamond" }[shape] ?? shape, symbolSize: isEmpty ? size - 1 : size,
        itemStyle: { color: isEmpty ? "#fff" : fill, borderColor: isEmpty ? fill : "#fff", borderWidth: isEmpty ? size / 5 : size / 8 },
      };
    });
  }

  function lines(id, rings, width, stroke, z) {
    return {
      id, type: "custom", coordinateSystem: "geo", silent: true, z, animation: false, data: rings.map((_, n) => [n]),
      renderItem(params, api) {
        return {
          type: "polygon", shape: { points: rings[params.dataIndex].map((point) => api.coord(point)) },
          style: { fill: "none", stroke, lineWidth: width, lineJoin: "round" },
        };
      },
    };
  }

  function chosenRings() {
    if (!isCommunity(state.place)) return [];
    const found = shapes.polygons.find(([at]) => at === state.place);
    return found ? found[1].map((rings) => corners(rings[0], moved(state.place))) : [];
  }

  function labels() {
    const counties = [];
    for (let at = 1; at <= core.counties; at += 1) {
      const members = boxesOf(at);
      if (!members.length || (!isTogether && at === citycheck.countyOf(state.place))) continue;
      const [west, south, east, north] = around(members);
      counties.push({ name: areas.name[at], value: isTogether ? [(west + east) / 2, north + 250] : [(west + east) / 2, (south + north) / 2] });
    }
    const text = { show: true, formatter: ({ name }) => name.slice(0, 24), color: "#1d2733", fontFamily: colour("sans"), textBorderColor: "#fff", textBorderWidth: 3 };
    const members = isCity(state.place) ? [] : citycheck.communities(citycheck.countyOf(state.place)).filter((at) => bounds.has(at)).map((at) => {
      const [west, south, east, north] = bounds.get(at);
      return { name: areas.name[at], value: [(west + east) / 2, (south + north) / 2] };
    });
    const base = { type: "scatter", coordinateSystem: "geo", symbolSize: 0.1, silent: true, animation: false, labelLayout: { hideOverlap: true } };
    return [
      { ...base, id: "counties", z: 8, data: counties, label: { ...text, fontWeight: 600, fontSize: core.counties > 40 ? 10 : 14, position: isTogether ? "top" : "inside" } },
      { ...base, id: "members", z: 7, data: members, label: { ...text, fontSize: 11, position: "inside" } },
    ];
  }

  const boxesOf = (county) => citycheck.communities(county).filter((at) => bounds.has(at)).map((at) => bounds.get(at));

  // Drawing ------------------------------------------------------------------------------------------------------

  // Twice as fine as the screen, for paper; not where so many communities would make it slow.
  const fine = areas.id.length < 2000 ? 2 : 1;
  const chart = echarts.init(box, null, { renderer: "canvas", devicePixelRatio: Math.max(fine, window.devicePixelRatio) });
  let city = [0, 0, 1, 1];

  /** Width of the column of buttons over the map, in pixels. */
  const BUTTONS = 56;

  function size() {
    const [width, height] = [Math.max(1, chart.getWidth() - 24 - BUTTONS), Math.max(1, chart.getHeight() - 76)];
    const aspect = (city[2] - city[0]) / (city[3] - city[1]);
    return aspect > 1 ? Math.min(width, height * aspect) : Math.min(height, width / aspect);
  }
  /** Left of the buttons, and with room above for the name of the northernmost county. */
  const middle = () => [(chart.getWidth() - BUTTONS) / 2, chart.getHeight() / 2 + 14];
  const pixelsPerMetre = () => size() / Math.max(city[2] - city[0], city[3] - city[1]);

  function draw() {
    echarts.registerMap("city", placed());
    city = around(bounds.values());
    chart.setOption({
      animation: false,
      geo: {
        map: "city", aspectScale: 1, roam: true, scaleLimit: { min: 0.8, max: 400 }, layoutCenter: middle(), layoutSize: size(),
        itemStyle: { areaColor: "#f4f4f2", borderColor: "#8a949e", borderWidth: 0.6 }, label: { show: false },
        emphasis: { label: { show: false }, itemStyle: { areaColor: "inherit", borderColor: "#b35900", borderWidth: 2 } },
        select: { disabled: true }, regions: regions(),
      },
      series: [...facilitySeries(), ...siteSeries(), lines("outlines", outlines(), 1.4, "#3a4550", 4), lines("chosen", chosenRings(), 3, "#b35900", 6), ...labels()],
    }, { notMerge: true });
    tellScale();
  }

  /** Only what depends on measure and place. */
  function redraw() {
    chart.setOption({ geo: { regions: regions() }, series: [...facilitySeries(), ...siteSeries(), lines("chosen", chosenRings(), 3, "#b35900", 6), ...labels()] });
    legend();
    note();
  }

  function focus() {
    const within = isCity(state.place) ? city : isCounty(state.place) ? around(boxesOf(state.place)) : bounds.get(state.place);
    if (!within || !Number.isFinite(within[0])) return;
    const margin = isCommunity(state.place) ? 1200 : 0;
    const [width, height] = [within[2] - within[0] + 2 * margin, within[3] - within[1] + 2 * margin];
    const scale = pixelsPerMetre();
    const zoom = isCity(state.place) ? 1 : Math.min(chart.getWidth() / width, chart.getHeight() / height) / scale / 1.15;
    const center = isCity(state.place) ? null : [(within[0] + within[2]) / 2, (within[1] + within[3]) / 2];
    chart.setOption({ geo: { zoom, center } });
    tellScale();
  }

  function tellScale() {
    const zoom = chart.getOption().geo[0].zoom ?? 1;
    const each = pixelsPerMetre() * zoom;
    let metres = 1;
    for (const length of [1, 2, 5].flatMap((of) => [1, 10, 100, 1000, 10000].map((ten) => of * ten)).sort((a, b) => a - b)) if (length * each <= 110) metres = length;
    const width = Math.max(2, Math.round(metres * each));
    document.getElementById("map-scale").replaceChildren(
      element("svg", { width: width + 2, height: 8 }, element("path", { d: `M1 1v6h${width}v-6` })),
      metres >= 1000 ? `${metres / 1000} km` : `${metres} m`,
    );
  }

  function note() {
    const of = measure();
    const kind = shownKind();
    const rings = kind && [
      t(`圈的半径为 ${kind.radius} 米`, `Circles have a radius of ${kind.radius} m`),
      kind.radius_stock ? t(`，既有城区 ${kind.radius_stock} 米（虚线）`, `, ${kind.radius_stock} m in existing areas (dashed)`) : "",
      core.network ? t("，为直线距离；颜色按步行距离判定。", ", in a straight line; the colours judge the walk. ") : t("。", ". "),
    ].join("");
    document.getElementById("map-note").textContent = [
      of.column === "kind" ? t(`各社区服务对象中步行范围内有达标${of.zh}的比例。`, `Share of those it is meant for who have one that counts within reach: ${of.en}. `) : t(`各社区的${of.zh}。`, `${of.en}, by community. `),
      rings ?? "",
      isTogether ? t("社区分布零散：同县（市、区）内已移近，比例尺相同，北在上。", "The communities lie scattered and are moved together by county, at one scale; north is up.") : t("粗线为县（市、区）界，北在上。", "Heavy lines are county borders; north is up."),
    ].join("");
    box.setAttribute("aria-label", t(`地图：${of.zh}；内容见下面的表格`, `Map: ${of.en}; the table below has what it shows`));
  }

  // What people do with it ---------------------------------------------------------------------------------------

  function tipAt(event, lines) {
    tip.replaceChildren(...lines.map((line, n) => element(n ? "span" : "strong", {}, line)));
    tip.hidden = false;
    const left = Math.min(event.offsetX + 14, chart.getWidth() - tip.offsetWidth - 4);
    tip.style.left = `${Math.max(4, left)}px`;
    tip.style.top = `${Math.max(4, event.offsetY - tip.offsetHeight - 10)}px`;
  }
  chart.on("mouseover", ({ componentType, name, data, event }) => {
    if (componentType === "geo") {
      const at = Number(name);
      tipAt(event, [areas.name[at], nameOf(areas.county[at] ?? 0), `${say(measure())}${t("：", ": ")}${withUnit(values()[at])}`]);
    } else if (data?.project != null) {
      const { at, what, cost } = citycheck.projects.tell(data.project);
      tipAt(event, [what, nameOf(at), cost]);
    } else if (data?.n != null) {
      const all = part("facilities");
      const [zh, en] = STATUS[all.statuses[all.status[data.n]]] ?? ["", ""];
      tipAt(event, [all.name[data.n] ?? "–", say(core.kinds[measure().at]), t(zh, en)]);
    }
  });
  chart.on("mouseout", () => { tip.hidden = true; });
  chart.on("globalout", () => { tip.hidden = true; });
  chart.on("click", ({ componentType, name, data }) => {
    if (componentType === "geo") citycheck.choose(Number(name));
    else if (data?.project != null) citycheck.choose(part("projects").area[data.project]);
  });
  chart.on("georoam", () => { tip.hidden = true; tellScale(); });

  /** @param {{zoom?: number, dx?: number, dy?: number}} by */
  function roam(by) {
    const centre = { originX: chart.getWidth() / 2, originY: chart.getHeight() / 2 };
    chart.dispatchAction({ type: "geoRoam", componentType: "geo", geoIndex: 0, ...centre, ...by });
  }
  const MOVES = { ArrowLeft: { dx: 60, dy: 0 }, ArrowRight: { dx: -60, dy: 0 }, ArrowUp: { dx: 0, dy: 60 }, ArrowDown: { dx: 0, dy: -60 }, "+": { zoom: 1.4 }, "=": { zoom: 1.4 }, "-": { zoom: 1 / 1.4 } };
  document.getElementById("map-keys").addEventListener("keydown", (event) => {
    if (event.target.closest("button") || !MOVES[event.key]) return;
    event.preventDefault();
    roam(MOVES[event.key]);
  });

  function buttons() {
    const button = (text, zh, en, does) => element("button", { type: "button", title: t(zh, en), "aria-label": t(zh, en), onclick: does }, text);
    const found = [
      button("+", "放大", "Zoom in", () => roam({ zoom: 1.5 })),
      button("−", "缩小", "Zoom out", () => roam({ zoom: 1 / 1.5 })),
      button("⌂", "全市", "Whole city", () => { citycheck.choose(0); focus(); }),
    ];
    if (moves.size) {
      const words = isTogether ? ["按真实位置显示", "Show where they really lie"] : ["移近显示", "Move them together"];
      found.push(button("⇄", ...words, () => { isTogether = !isTogether; draw(); legend(); note(); buttons(); focus(); }));
    }
    document.getElementById("zoom").replaceChildren(...found);
  }

  function choices() {
    const groups = { index: t("总体", "Overall"), dimension: t("方面（得分）", "Dimensions (score)"), kind: t("设施（覆盖率）", "Facilities (coverage)"), other: t("其他", "Others") };
    const select = document.getElementById("measure");
    select.replaceChildren(...Object.entries(groups).map(([group, label]) => {
      const options = core.measures.flatMap((of, n) => (of.group === group && has(of) ? [element("option", { value: n, selected: n === state.measure }, say(of))] : []));
      return options.length ? element("optgroup", { label }, options) : null;
    }).filter(Boolean));
  }
  document.getElementById("measure").addEventListener("change", ({ target }) => { state.measure = Number(target.value); tell("measure"); });
  circles.addEventListener("change", () => tell("measure"));
  sites?.addEventListener("change", redraw);

  /** To the size of its box, or of a sheet of paper: then at once. */
  function resize(width = "auto", height = "auto") {
    isOnPaper = width !== "auto";
    chart.resize({ width, height });
    chart.setOption({ geo: { layoutCenter: middle(), layoutSize: size() } });
    focus();
    if (isOnPaper) chart.getZr().flush();
  }
  new ResizeObserver(() => {
    const isSame = Math.abs(box.clientWidth - chart.getWidth()) <= 1 && Math.abs(box.clientHeight - chart.getHeight()) <= 1;
    if (!isOnPaper && !isSame) resize();
  }).observe(box);

  on("measure", () => { document.getElementById("measure").value = String(state.measure); circles.disabled = measure().column !== "kind"; redraw(); });
  on("place", () => { redraw(); focus(); });
  on("language", () => { choices(); buttons(); legend(); note(); chart.setOption({ series: labels() }); });

  citycheck.map = {
    start() {
      const drawn = () => { chart.off("finished", drawn); performance.mark("map-drawn"); document.documentElement.dataset.map = "drawn"; };
      chart.on("finished", drawn);
      if (!shapes.polygons.length) { document.getElementById("map").hidden = true; drawn(); return; }
      circles.disabled = measure().column !== "kind";
      draw();
      choices();
      buttons();
      legend();
      note();
    },
    values, withUnit, measure, digits, resize,
    /** Show where the facilities of a kind are. */
    showKind(code) {
      const kind = core.kinds.findIndex((of) => of.code === code);
      const found = core.measures.findIndex((of) => of.column === "kind" && of.at === kind);
      if (found < 0) return;
      state.measure = found;
      circles.checked = true;
      tell("measure");
    },
  };
})();
