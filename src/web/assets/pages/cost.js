// What was spent: by kind of token and by whom, where the month is heading, budgets, hours that stand out.

import { address, gather, get } from "../api.js";
import { chart } from "../chart.js";
import { h } from "../dom.js";
import { KINDS, NEWEST, columnName, columnWord, groupings } from "../figures.js";
import { asNumber, begin, compact, count, currencies, foreign, money, monies, percent, time, usualCurrency } from "../format.js";
import { chosen, filters } from "../filter.js";
import { badge, bar, cards, empty, facts, legend, meter, part, section } from "../panel.js";
import { asked, period, stepOf } from "../period.js";
import { to } from "../place.js";
import { pager, table } from "../table.js";
import { named, t } from "../words.js";
import { amount } from "./overview.js";
import { groupName } from "./usage.js";

const BY = ["model", "consumer", "provider", "user", "upstream", "route", "day", "month"];
const by = (place) => place.query.get("by") ?? "model";
const ALL_KINDS = [...KINDS, "other"];

export default {
  title: () => t("nav.cost"),
  lead: () => t("cost.lead"),
  controls: (place, data) => [period(place, "month", ["24h", "7d", "30d"]), groupings(place, BY, "model", data?.newest), filters(place, ["consumer", "model", "provider"], ["gateway", "route", "upstream", "mode", "user"])],

  load(place, signal) {
    const asking = { ...asked(place, "month"), ...chosen(place) };
    return gather({
      cost: get("cost", { ...asking, by: by(place), cursor: place.query.get("cursor"), limit: 1000 }, signal),
      newest: get("requests", NEWEST, signal),
      trend: get("stats/trend", { ...asking, step: stepOf(place, "month") }, signal),
      forecast: get("cost/forecast", {}, signal),
      budgets: get("budgets", {}, signal),
      anomalies: get("cost/anomalies", { since: "30d" }, signal),
      unpriced: get("prices/unpriced", {}, signal),
    });
  },

  view(data, place) {
    const form = stepOf(place, "month") === "hour" ? "minute" : "day";
    const asking = { ...asked(place, "month"), ...chosen(place) };
    const files = h("span", { class: "export" }, t("export"), " ", h("a", { class: "button", href: address("export/focus", { ...asking, format: "csv" }), download: true }, t("cost.focus")), h("a", { class: "button", href: address("export/requests", { ...asking, format: "csv" }), download: true }, "CSV"));
    return [
      part(data.cost, t("cost.total"), { aside: files }, totals),
      part(data.trend, t("cost.trend"), {}, (answer) => trend(answer.series[0]?.points ?? [], form)),
      part(data.cost, t("cost.groups", { by: columnWord(by(place)) }), { about: t("cost.groups.about") }, (answer) => groups(answer, by(place), place)),
      part(data.forecast, t("cost.forecast"), {}, forecast),
      part(data.budgets, t("cost.budgets"), {}, ({ budgets }) => (budgets.length ? budgetTable(budgets) : empty(t("cost.no_budgets")))),
      part(data.anomalies, t("cost.anomalies"), { about: t("cost.anomalies.about") }, anomalies),
      data.unpriced?.models?.length ? section(t("cost.unpriced"), { about: t("cost.unpriced.about") }, unpriced(data.unpriced.models)) : null,
    ];
  },
};

function totals({ total, converted }) {
  if (!total.cost.length && !total.unpriced_requests) return empty(t("cost.empty"));
  return [
    cards([
      ...total.cost.map((one) => ({ label: t("cost.in", { currency: one.currency }), value: money(one), note: money(one, { exact: true }) })),
      converted ? { label: t("cost.converted"), value: converted.total === null ? "–" : money(converted), note: converted.missing?.length ? t("cost.no_rate", { currencies: converted.missing.join(", ") }) : converted.rates.map((rate) => t("cost.rate", rate)).join("; ") } : null,
      { label: t("cost.savings"), value: monies(total.savings), note: t("cost.savings.note") },
      { label: t("cost.assumed"), value: shares(total.assumed_share), note: t("cost.assumed.note") },
      { label: t("cost.unpriced_requests"), value: count(total.unpriced_requests), tone: total.unpriced_requests ? "warn" : null, note: t("cost.unpriced_tokens", { n: compact(total.unpriced_tokens) }) },
    ]),
    h("div", { class: "columns" }, currencies([total.cost]).map((currency) => kindBar(total.kinds, currency))),
  ];
}

/// A share of each currency's amount.
function shares(list) {
  const shown = list.filter(({ share }) => share > 0);
  return shown.length ? h("span", { class: "stack" }, shown.map(({ currency, share }) => h("span", {}, percent(share, 1), " ", h("small", {}, currency)))) : h("span", { class: "none" }, percent(0));
}

/// What each kind of token cost, in one currency.
function kindBar(kinds, currency) {
  const of = (kind) => kinds[kind]?.find((one) => one.currency === currency);
  const present = ALL_KINDS.filter((kind) => asNumber(of(kind)) > 0);
  const whole = present.reduce((sum, kind) => sum + asNumber(of(kind)), 0);
  if (!whole) return null;
  return h("div", { class: "kinds", key: currency }, h("h3", {}, t("cost.kinds", { currency })),
    h("div", { class: "wide-bar" }, bar(present.map((kind) => ({ size: asNumber(of(kind)), tone: `kind-${kind}` })), whole, present.map((kind) => `${named("kind", kind)} ${percent(asNumber(of(kind)) / whole, 1)}`).join(", "))),
    h("dl", { class: "facts split" }, present.map((kind) => h("div", { key: kind }, h("dt", {}, h("i", { class: `key kind-${kind}` }), named("kind", kind)), h("dd", { class: "number" }, money(of(kind)), h("small", { class: "share" }, percent(asNumber(of(kind)) / whole, 1)))))));
}

function trend(points, form) {
  const costs = points.map(({ figures }) => figures.cost);
  const charts = currencies(costs).map((currency) => chart({
    title: t("chart.cost", { currency }),
    times: points.map(({ time: moment }) => begin(moment)),
    form,
    format: amount,
    series: [{ label: currency, tone: "tone-accent", kind: "bars", values: costs.map((cost) => asNumber(cost.find((one) => one.currency === currency))) }],
  }));
  return charts.length ? h("div", { class: "charts" }, charts) : empty(t("cost.empty"));
}

function groups({ groups: all, total, next }, name, place) {
  if (!all.length) return empty(t("cost.empty"));
  const main = usualCurrency(all.map(({ cost }) => cost));
  const of = (row) => asNumber(row.cost.find((one) => one.currency === main));
  const most = Math.max(1e-12, ...all.map(of));
  const timed = ["day", "month", "week", "hour"].includes(name);
  const rows = timed ? all : [...all].sort((a, b) => of(b) - of(a) || Number(b.cost.length > 0) - Number(a.cost.length > 0));
  const bars = (row) => bar(ALL_KINDS.map((kind) => ({ size: asNumber(row.kinds[kind]?.find((one) => one.currency === main)), tone: `kind-${kind}` })), most, main ?? "");
  return [
    legend(ALL_KINDS.filter((kind) => asNumber(total.kinds[kind]?.[0])).map((kind) => [`kind-${kind}`, named("kind", kind)])),
    table({
      name: "cost",
      caption: t("cost.groups", { by: columnWord(name) }),
      rows,
      keyOf: ({ group }) => group[name],
      foot: { ...total, group: {} },
      columns: [
        { label: columnName(name), main: true, cell: ({ group }) => groupName(name, group[name]) },
        { label: t("column.cost"), number: true, cell: (row) => monies(row.cost) },
        { label: t("column.kinds", { currency: main ?? "" }), cell: bars, total: () => "" },
        { label: t("cost.savings"), number: true, cell: (row) => monies(row.savings) },
        { label: t("cost.assumed"), number: true, cell: (row) => shares(row.assumed_share) },
        { label: t("column.unpriced"), number: true, cell: (row) => (row.unpriced_requests ? badge(count(row.unpriced_requests), "warn") : h("span", { class: "none" }, "0")) },
      ],
    }),
    h("div", { key: "pager" }, next || place.query.has("cursor") ? [pager(place, { next }, all.length), h("p", { class: "about" }, t("groups.paged"))] : null),
  ];
}

function forecast({ month, method, forecasts }) {
  if (!forecasts.length) return empty(t("cost.no_forecast"));
  return [
    h("div", { class: "columns wide" }, forecasts.map((one) => {
      const { currency } = one;
      const all = Math.max(asNumber({ total: one.high ?? one.forecast }), asNumber({ total: one.forecast }));
      const share = (total) => (100 * Number(total)) / (all || 1);
      return h("div", { class: "forecast", key: currency },
        h("p", { class: "forecast-line" }, h("strong", {}, money({ currency, total: one.forecast })), " ", h("span", { class: "dim" }, t("cost.by_end", { month }))),
        h("span", { class: "range", "aria-hidden": "true" }, h("i", { class: "so-far", style: { width: `${share(one.so_far)}%` } }), one.low !== null && one.low !== undefined ? h("i", { class: "interval", style: { left: `${share(one.low)}%`, width: `${share(one.high) - share(one.low)}%` } }) : null),
        facts([
          [t("cost.so_far"), money({ currency, total: one.so_far })],
          [t("cost.interval"), one.low === null || one.low === undefined ? null : [money({ currency, total: one.low }), " – ", money({ currency, total: one.high })]],
          ...(one.past ?? []).map((past) => [past.month, [t("cost.past"), " ", money({ currency, total: past.forecast_at_this_day }), " → ", money({ currency, total: past.actual }), h("small", {}, ` ${percent(past.error_ratio, 1)}`)]]),
        ]));
    })),
    method ? h("p", { class: "about" }, t("cost.method"), " ", named("method", method)) : null,
  ];
}

/// Budgets with their state; the overview and a consumer's page show them too.
export function budgetTable(budgets) {
  const text = (budget, value) => value === null || value === undefined ? "–" : /^[A-Z]{3}$/.test(budget.unit) ? money({ currency: budget.unit, total: String(value) }) : [compact(Number(value)), " ", h("small", {}, named("unit_of", budget.unit))];
  const tones = { ok: "good", near: "warn", over: "bad" };
  return table({
    name: "budgets",
    caption: t("cost.budgets"),
    rows: budgets,
    keyOf: ({ name }) => name,
    columns: [
      { label: t("column.budget"), main: true, cell: ({ name, filter }) => [foreign(name), h("div", { class: "dim small" }, Object.entries(filter ?? {}).map(([key, value], index) => [index ? ", " : "", `${key} = `, foreign(value)]))] },
      { label: t("column.state"), cell: ({ state }) => badge(named("budget", state), tones[state]) },
      { label: t("column.used"), number: true, cell: (budget) => text(budget, budget.used) },
      { label: t("column.limit"), number: true, cell: (budget) => [text(budget, budget.limit), h("small", {}, ` / ${named("per", budget.period)}`)] },
      { label: t("column.share"), number: true, cell: ({ ratio, state, name }) => [percent(ratio, 0), " ", meter(ratio, tones[state], `${name}: ${percent(ratio, 0)}`)] },
      { label: t("column.forecast"), number: true, cell: (budget) => text(budget, budget.forecast) },
    ],
  });
}

function anomalies({ anomalies: hours }) {
  if (!hours.length) return empty(t("cost.no_anomalies"));
  return table({
    name: "anomalies",
    caption: t("cost.anomalies"),
    rows: hours,
    keyOf: ({ hour, currency }) => hour + currency,
    columns: [
      { label: t("column.hour"), main: true, cell: ({ hour }) => h("a", { href: to("requests", "", { since: hour, until: new Date(Date.parse(hour) + 3_600_000).toISOString().replace(".000", "") }) }, time(hour, "minute")) },
      { label: t("column.cost"), number: true, cell: ({ cost }) => money(cost) },
      { label: t("column.expected"), number: true, cell: ({ expected }) => money(expected) },
      { label: t("column.times"), number: true, cell: ({ times }) => (times === null || times === undefined ? "–" : `× ${compact(times)}`) },
      { label: t("column.explained"), cell: ({ explained_by: why }) => (why ? [`${columnWord(why.by)} `, foreign(why.value), h("small", {}, ` ${percent(why.share, 0)}`)] : "–") },
    ],
  });
}

function unpriced(models) {
  return table({
    name: "unpriced",
    caption: t("cost.unpriced"),
    rows: models,
    keyOf: ({ gateway, provider, model }) => `${gateway}\n${provider}\n${model}`,
    columns: [
      { label: t("column.model"), main: true, cell: ({ model }) => groupName("model", model) },
      { label: t("column.provider"), cell: ({ provider }) => foreign(provider) },
      { label: t("column.gateway"), cell: ({ gateway }) => foreign(gateway) },
      { label: t("column.requests"), number: true, cell: ({ requests }) => count(requests) },
      { label: t("column.tokens"), number: true, cell: ({ tokens }) => compact(tokens) },
      { label: t("column.last_seen"), cell: ({ last_seen: last }) => time(last, "minute") },
    ],
  });
}
