// Points in time become a drawing (uPlot) with a legend, a readout under the pointer, and the same figures as a table.

import { h, island } from "./dom.js";
import { parts, stamp, zone } from "./format.js";
import { t } from "./words.js";

/// Seconds of a span whose axis may tell seconds.
const SHORT = 900;

/// `times` are moments; `series` are `{ label, tone, values, kind: "bars" | "line", format }`, bars stacked in their
/// order. `format` makes text of a value. `form` is how moments are written: `minute`, `day`.
export function chart({ title, about, times, series, format, form = "minute", height = 170, aside }) {
  const shown = series.filter((one) => one.values.some((value) => value));
  const drawn = shown.length ? shown : series.slice(0, 1);
  return h("figure", { class: "chart", key: title },
    h("figcaption", {}, h("span", { class: "chart-title" }, title), about ? h("span", { class: "dim" }, about) : null, aside ?? null,
      drawn.length > 1 ? h("ul", { class: "legend" }, drawn.map((one) => h("li", { key: one.label }, h("i", { class: one.tone }), one.label))) : null),
    island("chart", "div", { class: "plot", "aria-hidden": "true" }, { times, series: drawn, format, form, height }, mount),
    h("details", { class: "figures" }, h("summary", {}, t("chart.table")),
      h("div", { class: "scroll" }, h("table", { class: "plain" }, h("caption", { class: "hidden" }, title),
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("chart.time", { zone })), drawn.map((one) => h("th", { scope: "col", class: "number" }, one.label)))),
        h("tbody", {}, times.map((moment, index) => h("tr", { key: moment }, h("th", { scope: "row" }, stamp(moment, form)), drawn.map((one) => h("td", { class: "number" }, format(one.values[index]))))).reverse())))));
}

/// A colour as the canvas needs it.
function colour(element, name) {
  const probe = document.createElement("i");
  probe.className = name;
  probe.hidden = true;
  element.append(probe);
  const style = getComputedStyle(probe);
  const value = name.startsWith("ink") ? style.color : style.backgroundColor;
  probe.remove();
  return value;
}

function mount(element, first) {
  let plot = null;
  let shape = "";
  let current = first;
  const readout = document.createElement("div");
  readout.className = "readout";
  readout.hidden = true;

  const draw = () => {
    if (!element.clientWidth) return;
    const { times, series, height } = current;
    const seconds = times.map((moment) => Date.parse(moment) / 1000);
    // Stacked: each is drawn from nothing to the sum of itself and those before it, the highest first.
    const sums = [];
    let below = null;
    for (const one of series) {
      const values = one.values.map((value, index) => (one.kind === "line" ? value : (value ?? 0) + (below?.[index] ?? 0)));
      if (one.kind !== "line") below = values;
      sums.push(values);
    }
    const data = [seconds, ...sums.slice().reverse()];
    const next = JSON.stringify([series.map(({ label, tone, kind }) => [label, tone, kind]), zone, seconds.length]);
    if (plot && shape === next) {
      plot.setData(data);
      return;
    }
    plot?.destroy();
    shape = next;
    plot = new window.uPlot(options(height), data, element);
    element.append(readout);
  };

  const options = (height) => {
    const dim = colour(element, "ink-dim");
    const line = colour(element, "line");
    const font = `11px ${getComputedStyle(element).fontFamily}`;
    const axis = { stroke: dim, font, ticks: { show: false }, grid: { stroke: line, width: 1 } };
    const { series, form } = current;
    return {
      width: element.clientWidth,
      height,
      tzDate: (second) => window.uPlot.tzDate(new Date(second * 1000), zone),
      padding: [8, 26, 0, 0],
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
      scales: { x: { range: (_, low, high) => [low - half(), high + half()] }, y: { range: (_, low, high) => [0, high > 0 ? high * 1.06 : 1] } },
      axes: [
        { ...axis, grid: { show: false }, size: 26, space: (_, __, low, high) => (form === "day" ? 56 : high - low < SHORT ? 68 : 50), values: (_, splits, __, ___, step) => splits.map((split, index) => label(split, splits[index - 1], step < 60 ? "clock" : form)) },
        { ...axis, size: (_, values) => 10 + 6.4 * Math.max(2, ...(values ?? []).map((value) => String(value).length)), values: (_, splits) => splits.map((split) => current.format(split, true)), splits: undefined, space: 36 },
      ],
      series: [
        {},
        ...series.slice().reverse().map((one) => {
          const fill = colour(element, one.tone);
          return one.kind === "line"
            ? { stroke: fill, width: 2, points: { show: false } }
            : { stroke: fill, fill, width: 0, points: { show: false }, paths: window.uPlot.paths.bars({ size: [0.72, 40], radius: 0.12 }) };
        }),
      ],
      hooks: { setCursor: [(self) => point(self)] },
    };
  };

  const half = () => {
    const { times } = current;
    return times.length > 1 ? (Date.parse(times[1]) - Date.parse(times[0])) / 2000 : 1800;
  };

  const point = (self) => {
    const { idx, left } = self.cursor;
    const at = current.times[idx];
    readout.hidden = idx === null || idx === undefined || left < 0 || !at;
    if (readout.hidden) return;
    readout.replaceChildren(
      h("strong", {}, stamp(at, current.form)),
      ...current.series.map((one) => h("span", {}, h("i", { class: one.tone }), h("bdi", {}, one.label), h("b", {}, current.format(one.values[idx])))),
    );
    const room = element.clientWidth;
    const x = self.bbox.left / devicePixelRatio + left;
    readout.style.setProperty("left", `${Math.max(0, Math.min(x + 12, room - readout.offsetWidth - 4))}px`);
  };

  const anew = () => {
    shape = "";
    draw();
  };
  const watcher = new ResizeObserver(() => {
    if (!element.isConnected) {
      plot?.destroy();
      watcher.disconnect();
      window.removeEventListener("theme", anew);
    } else if (!plot) draw();
    else if (element.clientWidth) plot.setSize({ width: element.clientWidth, height: current.height });
  });
  watcher.observe(element);
  window.addEventListener("theme", anew);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", anew);
  return (next) => {
    current = next;
    draw();
  };
}

/// Hours on a day's axis, dates where the day changes; `clock` with seconds.
function label(second, before, form) {
  const now = parts(second * 1000);
  if (form === "day") return `${now.month}-${now.day}`;
  const last = before === undefined ? null : parts(before * 1000);
  const clock = `${now.hour}:${now.minute}${form === "clock" ? `:${now.second}` : ""}`;
  return last && last.day !== now.day ? `${now.month}-${now.day}` : clock;
}
