// What the scripts of the page share: the data, the language, numbers, elements and the chosen place.
"use strict";

/** @typedef {{zh: string, en: string}} Words */
/** @typedef {number | null} Scaled  a whole number of its last digit: 620 is 62.0 */

const citycheck = (() => {
  const parts = new Map();

  /** A part of data.js, parsed when it is first wanted. */
  function part(name) {
    if (!parts.has(name)) parts.set(name, JSON.parse(window.CITYCHECK[name]));
    return parts.get(name);
  }

  const core = part("core");
  const listeners = new Map();

  /** Call `heard` whenever `event` ("place", "language", "measure") is told. */
  function on(event, heard) {
    listeners.set(event, [...(listeners.get(event) ?? []), heard]);
  }
  function tell(event) {
    for (const heard of listeners.get(event) ?? []) heard();
  }

  const state = { language: "zh", place: 0, measure: 0 };

  /** The words of the language of the page. @param {Words} words */
  const say = (words) => words[state.language];
  /** @param {string} zh @param {string} en */
  const t = (zh, en) => (state.language === "zh" ? zh : en);

  /** As everywhere in the release: thousands apart, a true minus, an en dash for none. @param {Scaled} value */
  function number(value, digits = 1) {
    if (value == null) return "–";
    const text = String(Math.abs(value)).padStart(digits + 1, "0");
    const whole = text.slice(0, text.length - digits).replace(/\B(?=(\d{3})+$)/g, ",");
    return (value < 0 ? "−" : "") + whole + (digits ? `.${text.slice(-digits)}` : "");
  }
  /** A change with its direction. @param {Scaled} value */
  function change(value, digits = 1) {
    if (value == null) return "–";
    const size = number(Math.abs(value), digits);
    return value === 0 ? `＝\u00a0${size}` : value > 0 ? `▲\u00a0+${size}` : `▼\u00a0−${size}`;
  }
  const direction = (value) => (value == null || value === 0 ? "" : value > 0 ? "up" : "down");
  const percent = (value) => (value == null ? "–" : t(`${number(value)}%`, `${number(value)} %`));

  /** An element; texts become text, never markup. */
  function element(tag, attributes = {}, ...children) {
    const svg = ["svg", "path", "rect", "circle", "line"].includes(tag);
    const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value != null && value !== false) made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children.flat().filter((child) => child != null && child !== false));
    return made;
  }

  /** "2026H1" in words. */
  function halfYear(code) {
    const [year, half] = [code.slice(0, 4), code.slice(-1)];
    return t(`${year}年${half === "1" ? "上" : "下"}半年`, `${half === "1" ? "first" : "second"} half of ${year}`);
  }

  const { areas } = core;
  const isCity = (at) => at === 0;
  const isCounty = (at) => at > 0 && at <= core.counties;
  const isCommunity = (at) => at > core.counties;
  const first = core.counties + 1;
  /** The places of the communities in the columns, of a county or of all. */
  function communities(county = 0) {
    const found = [];
    for (let at = first; at < areas.id.length; at += 1) if (!county || areas.county[at] === county) found.push(at);
    return found;
  }
  const nameOf = (at) => (isCity(at) ? say(core.city) : areas.name[at]);
  const countyOf = (at) => (isCounty(at) ? at : areas.county[at]);
  const insufficient = () => t("数据不足", "insufficient data");

  /** Choose a place: 0 is the city. */
  function choose(at) {
    state.place = at;
    const link = isCity(at) ? "#" : `#${isCounty(at) ? "county" : "community"}=${encodeURIComponent(areas.id[at])}`;
    if (decodeURIComponent(location.hash) !== decodeURIComponent(link)) {
      try { history.replaceState(null, "", isCity(at) ? location.pathname + location.search : link); } catch { /* a file may refuse */ }
    }
    tell("place");
  }

  /** The place that the address names, else the city. */
  function fromAddress() {
    const [, level, id] = /^#(county|community)=(.*)$/.exec(location.hash) ?? [];
    if (!level) return null;
    let wanted = id;
    try { wanted = decodeURIComponent(id); } catch { /* as it stands */ }
    const [from, to] = level === "county" ? [1, first] : [first, areas.id.length];
    const at = areas.id.indexOf(wanted, from);
    return at >= from && at < to ? at : null;
  }

  return {
    core, areas, part, on, tell, state, say, t, number, change, direction, percent, element, halfYear,
    isCity, isCounty, isCommunity, communities, nameOf, countyOf, insufficient, choose, fromAddress, first,
  };
})();
