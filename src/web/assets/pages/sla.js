// Whether the service kept its promise: each target's month, its states in time, outages with notes.

import { get, post } from "../api.js";
import { h, svg } from "../dom.js";
import { count, foreign, length, parts, percent, stamp, time } from "../format.js";
import { badge, cards, choice, empty, legend, section } from "../panel.js";
import { altered } from "../place.js";
import { table } from "../table.js";
import { named, t } from "../words.js";
import { tone } from "./overview.js";

/// The last months, newest first.
function months() {
  const { year, month } = parts(new Date());
  return Array.from({ length: 6 }, (_, back) => {
    const at = Number(year) * 12 + Number(month) - 1 - back;
    return `${Math.floor(at / 12)}-${String((at % 12) + 1).padStart(2, "0")}`;
  });
}

export default {
  title: () => t("nav.sla"),
  lead: () => t("sla.lead"),
  controls: (place) => {
    const chosen = place.query.get("month") ?? months()[0];
    const list = months().includes(chosen) ? months() : [chosen, ...months()];
    return choice(t("sla.month"), chosen, list.map((month) => [month, month]), (month) => altered(place, { month: month === months()[0] ? null : month }));
  },

  load: (place, signal) => get("sla", { month: place.query.get("month"), target: place.query.get("target") }, signal),

  view(data) {
    if (!data.targets.length) return section(t("nav.sla"), {}, empty(t("sla.empty")));
    return data.targets.map((target) => one(target, data.timeline?.find((line) => line.target === target.target)?.segments ?? []));
  },
};

function one(target, segments) {
  const budget = target.budget;
  return section(h("bdi", {}, target.target), { key: target.target, aside: h("span", {}, badge(named("verdict", target.verdict), tone(target.verdict)), target.verdict === "in_progress" && target.so_far ? [" ", badge(t("sla.so_far", { verdict: named("verdict", target.so_far) }), tone(target.so_far))] : null) },
    cards([
      { label: t("sla.availability"), value: percent(target.availability), note: t("sla.objective", { ratio: percent(target.objective) }) },
      { label: t("sla.budget_left"), value: budget ? (budget.left_seconds < 0 ? t("sla.overspent", { length: length(-budget.left_seconds) }) : length(budget.left_seconds)) : "–", note: budget ? t("sla.budget_of", { length: length(budget.total_seconds) }) : null, tone: budget?.left_seconds < 0 ? "bad" : null },
      { label: t("sla.down"), value: length(target.down_seconds), note: t("sla.outages_n", { n: count(target.outages.length) }) },
      { label: t("sla.coverage"), value: percent(target.coverage), note: t("sla.strict", { ratio: percent(target.strict) }) },
      target.probes ? { label: t("sla.within", { length: length(target.answer_within_seconds) }), value: percent(target.probes.ratio), note: named("verdict", target.probes.verdict) } : null,
    ], { small: true }),
    timeline(segments, target),
    h("h3", {}, t("sla.outages")),
    target.outages.length ? outages(target) : empty(t("sla.no_outages")),
    target.maintenance?.length ? [h("h3", {}, t("sla.maintenance")), maintenance(target.maintenance)] : null,
    target.gateways?.length ? [h("h3", {}, t("sla.requests")), h("p", { class: "about" }, t("sla.requests.about")), gateways(target.gateways)] : null,
    target.projection ? [h("h3", {}, t("sla.projection")), cards([
      { label: t("sla.availability"), value: percent(target.projection.availability), note: t("sla.at_best", { ratio: percent(target.projection.availability_at_best) }) },
      { label: t("sla.budget_left"), value: length(Math.max(0, target.projection.budget_left_seconds)) },
      { label: t("column.verdict"), value: badge(named("verdict", target.projection.verdict), tone(target.projection.verdict)) },
    ], { small: true })] : null,
    target.isolated_failures?.length ? h("details", {}, h("summary", {}, t("sla.isolated", { n: count(target.isolated_failures.length) })), h("ul", { class: "plain-list two" }, target.isolated_failures.map(({ at, reason }) => h("li", {}, time(at), " ", h("span", { class: "dim" }, named("failure", reason)))))) : null);
}

/// The month from left to right. What is not up is at least two pixels wide, or a short outage would not be seen.
function timeline(segments, target) {
  const from = Date.parse(target.from);
  const to = Date.parse(target.to);
  if (!segments.length || !(to > from)) return null;
  const width = 1000;
  const x = (moment) => (width * (Math.min(to, Math.max(from, new Date(moment).getTime())) - from)) / (to - from);
  const order = ["up", "unknown", "maintenance", "down"];
  const drawn = [...segments].sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state));
  const days = [];
  for (let at = from; at < to; at += 86_400_000) days.push(at);
  return h("figure", { class: "timeline" },
    h("figcaption", {}, h("span", { class: "chart-title" }, t("sla.timeline")), legend(["up", "down", "maintenance", "unknown"].map((state) => [`state-${state}`, named("state", state)]))),
    svg("svg", { viewBox: `0 0 ${width} 46`, preserveAspectRatio: "none", role: "img", "aria-label": t("sla.timeline.about", { up: percent(target.availability), n: target.outages.length }) },
      svg("rect", { x: 0, y: 4, width, height: 34, class: "state-none" }),
      drawn.map(({ start, end, state }) => {
        const left = x(start);
        const wide = Math.max(state === "up" ? 0 : 3, x(end) - left);
        return svg("rect", { x: left.toFixed(2), y: 4, width: wide.toFixed(2), height: 34, class: `state-${state}`, key: `${start}${state}` }, svg("title", {}, `${named("state", state)} · ${stamp(start)} – ${stamp(end)} · ${length((Date.parse(end) - Date.parse(start)) / 1000)}`));
      }),
      days.slice(1).map((at) => svg("rect", { x: x(at).toFixed(2), y: 40, width: 1, height: 4, class: "tick" }))),
    h("div", { class: "timeline-days", "aria-hidden": "true" }, days.filter((at, index) => index % 7 === 0 && (at - from) / (to - from) < 0.92).map((at) => h("span", { style: { left: `${(100 * (at - from)) / (to - from)}%` } }, stamp(at, "day").slice(5)))));
}

function outages(target) {
  return table({
    name: "outages",
    caption: t("sla.outages"),
    rows: target.outages,
    keyOf: ({ number }) => number,
    columns: [
      { label: t("column.start"), main: true, cell: ({ start }) => time(start) },
      { label: t("column.end"), cell: ({ end }) => (end ? time(end) : badge(t("sla.ongoing"), "bad")) },
      { label: t("column.duration"), number: true, cell: ({ duration_seconds: seconds }) => length(seconds) },
      { label: t("sla.counted"), number: true, cell: ({ counted_seconds: seconds }) => length(seconds) },
      { label: t("column.cause"), cell: ({ cause, failures }) => [named("failure", cause), h("small", {}, ` ${Object.entries(failures ?? {}).map(([reason, number]) => `${named("failure", reason)} ${count(number)}`).join(", ")}`)] },
      { label: t("sla.notes"), cell: (outage) => notes(target.target, outage) },
    ],
  });
}

function notes(target, outage) {
  return [
    outage.notes?.length ? h("ul", { class: "plain-list" }, outage.notes.map((note) => h("li", {}, foreign(note.text)))) : null,
    h("details", { class: "note" }, h("summary", {}, t("sla.add_note")),
      h("form", { onsubmit: async (event) => {
        event.preventDefault();
        const form = event.target;
        const out = form.querySelector("[role=status]");
        try {
          await post("sla/notes", { target, outage: outage.number, text: new FormData(form).get("text") });
          form.reset();
          form.closest("details").open = false;
          out.replaceChildren();
          window.dispatchEvent(new Event("refresh"));
        } catch (problem) {
          out.replaceChildren(`${problem.message}. ${problem.remedy ?? ""}`);
        }
      } }, h("label", {}, h("span", { class: "hidden" }, t("sla.note")), h("input", { name: "text", required: true, maxlength: 1000, dir: "auto" })), h("button", { type: "submit" }, t("sla.save")), h("p", { role: "status", class: "bad-text" }))),
  ];
}

function maintenance(windows) {
  return table({
    name: "maintenance",
    caption: t("sla.maintenance"),
    rows: windows,
    columns: [
      { label: t("column.start"), main: true, cell: (one) => time(one.from) },
      { label: t("column.end"), cell: (one) => time(one.to) },
      { label: t("column.reason"), cell: ({ reason }) => foreign(reason) },
      { label: t("sla.announced"), cell: ({ announced }) => time(announced) },
      { label: t("column.state"), cell: ({ standing }) => badge(named("standing", standing), standing === "timely" ? "info" : null) },
    ],
  });
}

function gateways(list) {
  return table({
    name: "gateways",
    caption: t("sla.requests"),
    rows: list,
    keyOf: ({ gateway }) => gateway,
    columns: [
      { label: t("column.gateway"), main: true, cell: ({ gateway }) => foreign(gateway) },
      { label: t("sla.availability"), number: true, cell: ({ availability }) => percent(availability) },
      { label: t("column.verdict"), cell: ({ verdict }) => badge(named("verdict", verdict), tone(verdict)) },
      { label: t("column.requests"), number: true, cell: ({ requests }) => count(requests) },
      { label: t("sla.failed"), number: true, cell: ({ failed }) => count(failed) },
      { label: t("sla.answers"), number: true, cell: ({ answers }) => (answers ? [percent(answers.ratio), " ", badge(named("verdict", answers.verdict), tone(answers.verdict))] : "–") },
    ],
  });
}
