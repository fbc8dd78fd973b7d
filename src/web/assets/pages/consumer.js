// One consumer: its figures, models, budgets and newest sessions.

import { gather, get } from "../api.js";
import { h } from "../dom.js";
import { GROUP_COLUMNS, allTokens, columnName } from "../figures.js";
import { compact, count, foreign, length, monies, percent, time } from "../format.js";
import { badge, cards, empty, part, section } from "../panel.js";
import { asked, period, stepOf } from "../period.js";
import { literal, to } from "../place.js";
import { table } from "../table.js";
import { t } from "../words.js";
import { budgetTable } from "./cost.js";
import { trendCharts } from "./overview.js";
import { sessionTable } from "./sessions.js";
import { groupName } from "./usage.js";

export default {
  title: (place) => t("consumer.title", { name: place.id }),
  heading: (place) => h("span", { class: "id-title" }, foreign(place.id)),
  above: () => ["consumers", t("nav.consumers")],
  controls: (place) => period(place, "30d", ["24h", "7d", "30d"]),

  load(place, signal) {
    const asking = { ...asked(place, "30d"), consumer: literal("consumer", place.id) };
    return gather({
      consumer: get(`consumers/${encodeURIComponent(place.id)}`, asked(place, "30d"), signal),
      models: get("stats/totals", { ...asking, by: "model" }, signal),
      trend: get("stats/trend", { ...asking, step: stepOf(place, "30d") }, signal),
      sessions: get("sessions", { ...asking, limit: 10 }, signal),
    }, "consumer");
  },

  view(data, place) {
    const one = data.consumer.consumer;
    const form = stepOf(place, "30d") === "hour" ? "minute" : "day";
    return [
      cards([
        { label: t("column.requests"), value: count(one.figures.requests), href: to("requests", "", { consumer: place.id, since: "30d" }) },
        { label: t("column.errors"), value: [count(one.figures.errors), " ", h("small", {}, percent(one.figures.error_ratio ?? 0, 1))] },
        { label: t("column.sessions"), value: count(one.sessions), href: to("sessions", "", { consumer: place.id, since: "30d" }) },
        { label: t("column.tokens"), value: compact(allTokens(one.figures.tokens)), note: t("overview.in_out", { input: compact(one.figures.tokens.input), output: compact(one.figures.tokens.output) }) },
        { label: t("column.cost"), value: monies(one.figures.cost), note: one.figures.unpriced_requests ? t("unpriced_n", { n: count(one.figures.unpriced_requests) }) : null },
        { label: t("column.first_token"), value: length(one.figures.mean_first_token_seconds), note: t("overview.mean_whole", { length: length(one.figures.mean_seconds) }) },
      ]),
      h("p", { class: "about" }, t("consumer.seen"), " ", time(one.first_seen, "minute"), " – ", time(one.last_seen, "minute"), " · ", badge(t(one.captured ? "captured" : "not_captured"), one.captured ? "warn" : null)),
      part(data.trend, t("usage.trend"), {}, (answer) => h("div", { class: "charts" }, trendCharts(answer.series[0]?.points ?? [], form))),
      part(data.models, t("overview.models"), {}, ({ groups }) => table({
        caption: t("overview.models"),
        rows: groups,
        keyOf: ({ group }) => group.model,
        columns: [{ label: columnName("model"), main: true, cell: ({ group }) => groupName("model", group.model) }, GROUP_COLUMNS.requests(), GROUP_COLUMNS.errors(), GROUP_COLUMNS.input(), GROUP_COLUMNS.output(), GROUP_COLUMNS.first_token(), GROUP_COLUMNS.cost()],
      })),
      one.budgets.length ? section(t("cost.budgets"), {}, budgetTable(one.budgets)) : null,
      part(data.sessions, t("consumer.sessions"), { aside: h("a", { href: to("sessions", "", { consumer: place.id, since: "30d" }) }, t("consumer.all_sessions")) }, ({ sessions }) => (sessions.length ? sessionTable(sessions) : empty(t("sessions.empty")))),
    ];
  },
};
