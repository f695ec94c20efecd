// Small charts. Each has the same numbers beside it in words or in a table, and says in a sentence what it shows.
"use strict";

citycheck.charts = (() => {
  const { t, number, element } = citycheck;
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const made = new Map();

  const text = () => ({ fontFamily: colour("sans"), color: colour("ink"), fontSize: 12 });
  const axis = () => ({ axisLine: { lineStyle: { color: "#77808a" } }, axisTick: { show: false }, axisLabel: { color: colour("soft"), fontFamily: colour("sans") } });

  /** A chart is drawn when it is about to be seen. */
  const seen = new IntersectionObserver((boxes) => {
    for (const { isIntersecting, target } of boxes) if (isIntersecting) { seen.unobserve(target); target.draw?.(); }
  }, { rootMargin: "300px" });

  /** Draw into a new box of a height in pixels, which says `words` to those who do not see it. */
  function chart(height, words, option) {
    const box = element("div", { class: `chart h${height}`, role: "img", "aria-label": words });
    box.draw = () => {
      delete box.draw;
      const drawn = echarts.init(box, null, { renderer: "canvas", devicePixelRatio: Math.max(2, window.devicePixelRatio) });
      drawn.setOption({ animation: false, textStyle: text(), ...option });
      made.set(box, drawn);
    };
    seen.observe(box);
    for (const [old, of] of made) if (!old.isConnected) { of.dispose(); made.delete(old); }
    return box;
  }
  /** To the size of their boxes, or to a width on paper: then at once. */
  function resize(width = "auto") {
    if (width !== "auto") for (const box of document.querySelectorAll(".chart")) box.draw?.();
    for (const [box, drawn] of made) {
      if (!box.isConnected) continue;
      drawn.resize({ width });
      if (width !== "auto") drawn.getZr().flush();
    }
  }
  window.addEventListener("resize", () => resize());

  /** The bar of an interval with its point, on a scale from `from` to `to` tenths. */
  function interval(value, low, high, from = 0, to = 1000) {
    const x = (of) => (200 * (Math.max(from, Math.min(to, of)) - from)) / (to - from);
    return element("svg", { class: "span", viewBox: "0 0 200 20", "aria-hidden": "true" },
      element("path", { class: "axis", d: "M0 10h200" }),
      low != null && element("rect", { class: "interval", x: x(low).toFixed(1), y: 7, height: 6, width: Math.max(1, x(high) - x(low)).toFixed(1) }),
      value != null && element("circle", { class: "dot", cx: x(value).toFixed(1), cy: 10, r: 5 }));
  }

  /** The index by half-year, with the interval of this one. */
  function trend(halfYears, scores, now, low, high, words) {
    const values = scores.map((score) => (score == null ? null : score / 10));
    const at = halfYears.indexOf(now);
    const known = [...values, low == null ? null : low / 10, high == null ? null : high / 10].filter((value) => value != null);
    const [least, most] = [Math.max(0, Math.floor((Math.min(...known) - 4) / 10) * 10), Math.min(100, Math.ceil((Math.max(...known) + 4) / 10) * 10)];
    return chart(180, words, {
      grid: { left: 34, right: 46, top: 18, bottom: 24 },
      xAxis: { type: "category", data: halfYears, boundaryGap: true, ...axis() },
      yAxis: { type: "value", min: least, max: most, interval: 10, splitLine: { lineStyle: { color: "#e6e9ec" } }, ...axis() },
      series: [
        { type: "custom", silent: true, data: low == null || at < 0 ? [] : [[at, low / 10, high / 10]],
          renderItem(_, api) {
            const [x, top] = api.coord([api.value(0), api.value(2)]);
            const [, foot] = api.coord([api.value(0), api.value(1)]);
            return { type: "rect", shape: { x: x - 7, y: top, width: 14, height: foot - top }, style: { fill: "#b9cfe4" } };
          } },
        { type: "line", silent: true, data: values, symbol: "circle", symbolSize: 9, connectNulls: false, lineStyle: { color: colour("accent"), width: 2 }, itemStyle: { color: colour("accent") },
          label: { show: true, position: "top", distance: 7, color: colour("ink"), fontWeight: 600, textBorderColor: "#fff", textBorderWidth: 3, formatter: ({ dataIndex }) => number(scores[dataIndex]) } },
      ],
    });
  }

  /** What moved the index, as bars to the left and to the right of nothing; points are hundredths. */
  function causes(rows, words) {
    const most = Math.max(50, ...rows.map((row) => Math.abs(row.points))) / 100;
    return chart(rows.length > 4 ? 220 : 140, words, {
      grid: { left: 8, right: 8, top: 4, bottom: 4, containLabel: true },
      xAxis: { type: "value", min: -most * 1.9, max: most * 1.9, show: false },
      yAxis: { type: "category", inverse: true, data: rows.map((row) => row.name), ...axis(), axisLabel: { ...axis().axisLabel, color: colour("ink"), width: 150, overflow: "break" }, axisLine: { show: false } },
      series: [{ type: "bar", silent: true, barMaxWidth: 14,
        data: rows.map((row) => ({ value: row.points / 100, itemStyle: { color: row.points < 0 ? "#b35900" : colour("accent"), decal: row.isReal ? null : { symbol: "rect", color: "rgba(255,255,255,.55)", dashArrayX: [1, 0], dashArrayY: [2, 3], rotation: -Math.PI / 4 } },
          label: { position: row.points < 0 ? "left" : "right" } })),
        label: { show: true, color: colour("ink"), formatter: ({ dataIndex }) => citycheck.change(rows[dataIndex].points, 2) },
        markLine: { silent: true, symbol: "none", label: { show: false }, lineStyle: { color: "#77808a", type: "solid", width: 1 }, data: [{ xAxis: 0 }] } }],
    });
  }

  /** Shares by half-year, a line a promise; a dashed one is the city's. */
  function promises(halfYears, lines, words) {
    const known = lines.flatMap((line) => line.values).filter((value) => value != null).map((value) => value / 10);
    const least = known.length ? Math.max(0, Math.floor((Math.min(...known) - 3) / 10) * 10) : 0;
    return chart(240, words, {
      grid: { left: 46, right: 16, top: 40, bottom: 26 },
      legend: { top: 0, left: 0, itemGap: 18, textStyle: { color: colour("ink"), fontFamily: colour("sans") }, selectedMode: false, data: lines.filter((line) => !line.isCity).map((line) => line.name) },
      xAxis: { type: "category", data: halfYears, ...axis() },
      yAxis: { type: "value", min: least, max: 100, splitLine: { lineStyle: { color: "#e6e9ec" } }, ...axis(), axisLabel: { ...axis().axisLabel, formatter: t("{value}%", "{value} %") } },
      series: lines.map((line) => ({ name: line.name, type: "line", silent: true, data: line.values.map((value) => (value == null ? null : value / 10)), symbol: line.symbol, symbolSize: line.isCity ? 6 : 10,
        lineStyle: { color: line.isCity ? "#77808a" : line.colour, width: line.isCity ? 1.5 : 2.5, type: line.isCity ? "dashed" : "solid" }, itemStyle: { color: line.isCity ? "#77808a" : line.colour } })),
    });
  }

  /** A goal: its values, the straight line to the target (dashed), and the target. */
  function goal(of, words) {
    const scale = (values) => values.map((value) => (value == null ? null : value / 10 ** of.digits));
    const [values, line] = [scale(of.values), scale(of.line)];
    const last = values.findLastIndex((value) => value != null);
    const late = of.status === "behind";
    return chart(140, words, {
      grid: { left: 46, right: 14, top: 18, bottom: 24 },
      xAxis: { type: "category", data: of.half_years, boundaryGap: false, ...axis(), axisLabel: { ...axis().axisLabel, interval: (n) => n === 0 || n === of.half_years.length - 1, showMinLabel: true, showMaxLabel: true, alignMinLabel: "left", alignMaxLabel: "right" } },
      yAxis: { type: "value", scale: true, splitNumber: 2, splitLine: { lineStyle: { color: "#e6e9ec" } }, ...axis() },
      series: [
        { type: "line", silent: true, data: line, symbol: "none", lineStyle: { color: "#77808a", width: 1.5, type: "dashed" } },
        { type: "line", silent: true, data: values, symbol: late ? "triangle" : "circle", symbolSize: 9, connectNulls: false, lineStyle: { color: late ? "#b35900" : colour("accent"), width: 2 }, itemStyle: { color: late ? "#b35900" : colour("accent") },
          label: { show: true, position: "top", color: colour("ink"), fontWeight: 600, textBorderColor: "#fff", textBorderWidth: 3, formatter: ({ dataIndex }) => (dataIndex === last ? number(of.values[dataIndex], of.digits) : "") } },
        { type: "scatter", silent: true, symbol: "diamond", symbolSize: of.target == null ? 0 : 10, data: of.target == null ? [] : [[of.half_years[of.half_years.length - 1], of.target / 10 ** of.digits]], itemStyle: { color: "#fff", borderColor: colour("ink"), borderWidth: 1.5 },
          label: { show: true, position: "left", color: colour("soft"), textBorderColor: "#fff", textBorderWidth: 3, formatter: () => number(of.target, of.digits) } },
      ],
    });
  }

  /** What budgets could bring: the best set, its bound, and choosing one by one. */
  function frontier(of, words) {
    const points = (values) => of.budget.map((budget, n) => [budget / 1000, values[n] / 10 ** of.digits]);
    const names = [t("最优", "Best"), t("上界", "Bound"), t("逐个选取", "One by one")];
    const unit = t("预算（百万元）", "Budget, million CNY");
    return chart(240, words, {
      grid: { left: 8, right: 20, top: 34, bottom: 26, containLabel: true },
      legend: { top: 0, left: 0, itemGap: 18, textStyle: { color: colour("ink"), fontFamily: colour("sans") }, selectedMode: false, data: names },
      xAxis: { type: "value", name: unit, nameLocation: "middle", nameGap: 26, nameTextStyle: { color: colour("soft"), fontFamily: colour("sans") }, splitLine: { show: false }, ...axis() },
      yAxis: { type: "value", splitLine: { lineStyle: { color: "#e6e9ec" } }, ...axis() },
      series: [
        { name: names[1], type: "line", silent: true, data: points(of.bound), symbol: "none", lineStyle: { color: "#77808a", width: 1.5, type: "dashed" }, itemStyle: { color: "#77808a" } },
        { name: names[0], type: "line", silent: true, data: points(of.value), symbol: "circle", symbolSize: 8, lineStyle: { color: colour("accent"), width: 2.5 }, itemStyle: { color: colour("accent") } },
        { name: names[2], type: "line", silent: true, data: points(of.greedy), symbol: "triangle", symbolSize: 9, lineStyle: { color: "#b35900", width: 0 }, itemStyle: { color: "#b35900" } },
      ],
    });
  }

  return { interval, trend, causes, promises, goal, frontier, resize };
})();
