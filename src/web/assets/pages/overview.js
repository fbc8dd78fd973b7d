// How things stand: today against yesterday, the month against the one before, the last day by hour, by model.

import { gather, get } from "../api.js";
import { chart } from "../chart.js";
import { h } from "../dom.js";
import { allTokens, columnName, costOfGroup, errors, modelLink } from "../figures.js";
import { ago, asNumber, begin, change, compact, count, currencies, length, monies, percent } from "../format.js";
import { badge, bar, cards, empty, part, section } from "../panel.js";
import { to } from "../place.js";
import { table } from "../table.js";
import { named, t } from "../words.js";
import { budgetTable } from "./cost.js";
import { sourceTable } from "./status.js";

export default {
  title: () => t("nav.overview"),
  lead: () => t("overview.lead"),

  load: (place, signal) => gather({
    overview: get("stats/overview", {}, signal),
    realtime: get("stats/realtime", {}, signal),
    budgets: get("budgets", {}, signal),
    forecast: get("cost/forecast", {}, signal),
    anomalies: get("cost/anomalies", { since: "7d" }, signal),
    status: get("status", {}, signal),
  }, "overview"),

  view(data) {
    const { overview } = data;
    const quiet = !overview.month.requests && !overview.month_before_same_time?.requests;
    return [
      notices(data),
      quiet ? firstSteps(data.status) : figures(overview, data.forecast?.forecasts),
      part(data.realtime, t("overview.hour"), {}, lastHour),
      quiet ? null : lastDay(overview),
      quiet ? null : section(t("overview.models"), { about: t("overview.models.about"), aside: h("a", { href: to("cost") }, t("overview.to_cost")) }, models(overview.models)),
      data.budgets?.budgets?.length ? section(t("cost.budgets"), {}, budgetTable(data.budgets.budgets)) : null,
    ];
  },
};

function notices({ anomalies, status }) {
  const list = [];
  if (status?.ready === false) list.push(["bad", t("notice.not_ready"), "status"]);
  for (const source of status?.sources ?? []) if (source.catching_up) list.push(["warn", t("notice.catching_up", { name: source.name }), "status"]);
  const hours = anomalies?.anomalies?.filter((one) => Date.now() - Date.parse(one.hour) < 172_800_000) ?? [];
  for (const one of hours.slice(0, 2)) list.push(["warn", one.times ? t("notice.anomaly", { times: compact(one.times), ago: ago(one.hour) }) : t("notice.anomaly_new", { ago: ago(one.hour) }), "cost"]);
  return list.length ? h("ul", { class: "notices" }, list.map(([tone, text, page]) => h("li", { class: tone }, h("a", { href: to(page) }, text)))) : null;
}

function firstSteps(status) {
  return section(t("overview.empty"), {}, empty(t("overview.empty.about")), status?.sources ? sourceTable(status.sources) : null);
}

/// How much more or less than at this time of yesterday: pairs of figures, each with its unit where there are several.
const against = (pairs) => {
  const list = pairs.map(([now, before, unit]) => [change(now, before), unit]).filter(([text]) => text);
  const texts = list.map(([text, unit]) => (unit && pairs.length > 1 ? `${unit} ${text}` : text));
  return texts.length ? t("overview.than_yesterday", { change: texts.join(", ") }) : null;
};

function figures({ now, today, yesterday_same_time: before, month, availability, open_sessions }, forecast) {
  const of = (cost, currency) => asNumber(cost.find((one) => one.currency === currency));
  return [
    cards([
      { id: "requests", label: t("overview.requests_today"), value: count(today.requests), note: against([[today.requests, before.requests]]), href: to("requests", "", { since: "24h" }) },
      { id: "cost", label: t("overview.cost_today"), value: monies(today.cost), note: against(today.cost.map(({ currency, total }) => [Number(total), of(before.cost, currency), currency])), href: to("cost") },
      { id: "tokens", label: t("overview.tokens_today"), value: compact(allTokens(today.tokens)), note: t("overview.in_out", { input: compact(today.tokens.input), output: compact(today.tokens.output) }), href: to("usage") },
      { id: "errors", label: t("overview.errors_today"), value: [count(today.errors), " ", h("small", {}, percent(today.error_ratio ?? 0, 1))], note: reasons(today.errors_by_reason), href: to("requests", "", { since: "24h", error: "any" }) },
    ]),
    cards([
      { id: "rate", label: t("overview.rate"), value: [compact(now.requests_per_second), h("small", {}, ` ${t("unit.per_second")}`)], note: t("overview.last_five") },
      { id: "first", label: t("overview.first_token"), value: length(now.mean_first_token_seconds ?? today.mean_first_token_seconds), note: t("overview.mean_whole", { length: length(now.mean_seconds ?? today.mean_seconds) }) },
      { id: "open", label: t("overview.open_sessions"), value: count(open_sessions), href: to("sessions", "", { open: "true" }), note: t("overview.open_sessions.note") },
      { id: "month", label: t("overview.cost_month"), value: monies(month.cost), note: forecast?.length ? [t("overview.forecast"), " ", monies(forecast.map(({ currency, forecast: total }) => ({ currency, total })))] : null, href: to("cost") },
      ...availability.map((target) => ({
        id: `target-${target.target}`,
        label: h("bdi", {}, target.target),
        value: [percent(target.availability), " ", badge(named("state", target.state), tone(target.state))],
        note: target.budget_left_seconds === null || target.budget_left_seconds === undefined ? null : t("overview.budget_left", { length: length(target.budget_left_seconds) }),
        href: to("sla"),
      })),
    ], { small: true }),
  ];
}

export function tone(state) {
  return { up: "good", down: "bad", met: "good", missed: "bad", maintenance: "info", unknown: "warn", not_proven: "warn" }[state] ?? "";
}

function reasons(byReason) {
  const list = Object.entries(byReason ?? {}).sort((a, b) => b[1] - a[1]).slice(0, 2);
  return list.length ? list.map(([reason, number]) => `${named("reason", reason)} ${count(number)}`).join(", ") : t("overview.no_errors");
}

function lastHour({ minutes, last_5_minutes: five, last_60_minutes: hour }) {
  return [
    chart({
      title: t("chart.requests_minute"),
      about: t("overview.hour.sum", { five: count(five.requests), hour: count(hour.requests) }),
      times: minutes.map(({ time: moment }) => moment),
      series: [
        { label: t("series.succeeded"), tone: "tone-accent", kind: "bars", values: minutes.map((minute) => minute.requests - minute.errors) },
        { label: t("series.failed"), tone: "tone-bad", kind: "bars", values: minutes.map((minute) => minute.errors) },
      ],
      format: compact,
      height: 120,
    }),
  ];
}

function lastDay({ trend }) {
  return section(t("overview.day"), {}, h("div", { class: "charts" }, trendCharts(trend, "minute")));
}

/// The three charts of a row of points: requests, cost of each currency, tokens.
export function trendCharts(points, form) {
  if (!points.length) return empty(t("usage.empty"));
  const times = points.map(({ time: moment }) => begin(moment));
  const values = (pick) => points.map(({ figures: one }) => pick(one));
  const costs = points.map(({ figures: one }) => one.cost);
  return [
    chart({
      title: t("chart.requests"), times, form, format: compact,
      series: [
        { label: t("series.succeeded"), tone: "tone-accent", kind: "bars", values: values((one) => one.requests - one.errors) },
        { label: t("series.failed"), tone: "tone-bad", kind: "bars", values: values((one) => one.errors) },
      ],
    }),
    // Amounts of two currencies are never stacked or drawn against one axis.
    ...currencies(costs).slice(0, 2).map((currency) => chart({
      title: t("chart.cost", { currency }), times, form, format: amount,
      series: [{ label: currency, tone: "tone-accent", kind: "bars", values: costs.map((cost) => asNumber(cost.find((one) => one.currency === currency))) }],
    })),
    chart({
      title: t("chart.tokens"), times, form, format: compact,
      series: [
        { label: named("kind", "uncached_input"), tone: "kind-uncached_input", kind: "bars", values: values((one) => one.tokens.input - one.tokens.cache_read) },
        { label: named("kind", "cache_read"), tone: "kind-cache_read", kind: "bars", values: values((one) => one.tokens.cache_read) },
        { label: t("column.output"), tone: "kind-output", kind: "bars", values: values((one) => one.tokens.output) },
      ],
    }),
  ];
}

/// An amount on an axis.
export function amount(value) {
  if (!value) return "0";
  return value >= 100 ? compact(value) : String(Number(value.toPrecision(3)));
}

function models(list) {
  if (!list.length) return empty(t("usage.empty"));
  const most = Math.max(1, ...list.map(({ figures: one }) => one.requests));
  const sorted = [...list].sort((a, b) => b.figures.requests - a.figures.requests);
  return table({
    caption: t("overview.models"),
    rows: sorted,
    keyOf: ({ model }) => model,
    columns: [
      { label: columnName("model"), main: true, cell: ({ model }) => model ? modelLink(model, { since: "24h" }) : t("no_model") },
      { label: t("column.requests"), number: true, cell: ({ figures: one }) => [count(one.requests), " ", bar([{ size: one.requests, tone: "tone-accent" }], most, percent(one.requests / most))] },
      { label: t("column.errors"), number: true, cell: ({ figures: one }) => errors(one) },
      { label: t("column.input"), number: true, cell: ({ figures: one }) => compact(one.tokens.input) },
      { label: t("column.output"), number: true, cell: ({ figures: one }) => compact(one.tokens.output) },
      { label: t("column.cost"), number: true, cell: ({ figures: one }) => costOfGroup(one) },
    ],
  });
}
