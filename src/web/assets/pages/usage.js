// Use by whom and when: a table of groups, days as a chart, days and hours as a heat map.

import { gather, get } from "../api.js";
import { h } from "../dom.js";
import { GROUP_COLUMNS, NEWEST, allTokens, columnName, columnWord, consumerLink, groupings } from "../figures.js";
import { compact, count, foreign, stamp } from "../format.js";
import { chosen, filters } from "../filter.js";
import { heat } from "../heat.js";
import { cards, empty, part } from "../panel.js";
import { asked, period, stepOf } from "../period.js";
import { to } from "../place.js";
import { pager, table } from "../table.js";
import { t } from "../words.js";
import { length, monies } from "../format.js";
import { trendCharts } from "./overview.js";
import { exporting } from "./sessions.js";

/// What use is grouped by, beside dimensions.
const BY = ["user", "consumer", "model", "provider", "upstream", "route", "mode", "day", "hour_of_day"];

const by = (place) => place.query.get("by") ?? "consumer";

export default {
  title: () => t("nav.usage"),
  lead: () => t("usage.lead"),
  controls: (place, data) => {
    return [period(place, "7d", ["24h", "7d", "30d"]), groupings(place, BY, "consumer", data?.newest), filters(place, ["consumer", "user", "model"], ["gateway", "route", "provider", "upstream", "mode"])];
  },

  load(place, signal) {
    const asking = { ...asked(place, "7d"), ...chosen(place) };
    // Sessions and their time are known for everything only, not for what filters leave of it.
    const source = Object.keys(chosen(place)).length ? "stats/totals" : "usage";
    return gather({
      groups: get(source, { ...asking, by: by(place), cursor: place.query.get("cursor"), limit: 1000 }, signal),
      hours: get("stats/totals", { ...asking, by: "day,hour_of_day", limit: 1000 }, signal),
      newest: get("requests", NEWEST, signal),
      trend: get("stats/trend", { ...asking, step: stepOf(place, "7d") }, signal),
    });
  },

  view(data, place) {
    const form = stepOf(place, "7d") === "hour" ? "minute" : "day";
    return [
      part(data.groups, t("usage.groups", { by: columnWord(by(place)) }), { aside: exporting("requests", { ...asked(place, "7d"), ...chosen(place) }) }, (answer) => groups(answer, by(place), place)),
      part(data.hours, t("usage.hours"), { about: t("usage.hours.about") }, hours),
      part(data.trend, t("usage.trend"), {}, (answer) => h("div", { class: "charts" }, trendCharts(answer.series[0]?.points ?? [], form))),
    ];
  },
};

function groups({ groups: list, total, next }, name, place) {
  const whole = total.sessions !== undefined;
  if (!list.length) return empty(t("usage.empty"));
  const timed = ["day", "hour_of_day", "week", "month", "hour"].includes(name);
  const rows = timed ? list : [...list].sort((a, b) => b.figures.requests - a.figures.requests);
  return [
    cards([
      whole ? { label: t("column.sessions"), value: count(total.sessions) } : null,
      whole ? { label: t("column.session_time"), value: length(total.session_seconds), note: t("usage.mean", { length: length(total.mean_session_seconds) }) } : null,
      { label: t("column.requests"), value: count(total.requests) },
      { label: t("column.tokens"), value: compact(allTokens(total.tokens)) },
      { label: t("column.cost"), value: monies(total.cost) },
    ], { small: true }),
    table({
      name: "usage",
      caption: t("usage.groups", { by: columnWord(name) }),
      rows,
      keyOf: ({ group }) => group[name],
      foot: { figures: total, group: {} },
      columns: [
        { label: columnName(name), main: true, cell: ({ group }) => groupName(name, group[name]) },
        ...(whole ? [GROUP_COLUMNS.sessions(), GROUP_COLUMNS.time()] : []), GROUP_COLUMNS.requests(), GROUP_COLUMNS.errors(), GROUP_COLUMNS.input(), GROUP_COLUMNS.output(), GROUP_COLUMNS.cost(),
      ],
    }),
    h("div", { key: "pager" }, next || place.query.has("cursor") ? [pager(place, { next }, list.length), h("p", { class: "about" }, t("groups.paged"))] : null),
  ];
}

/// A group's name, leading to what it is made of.
export function groupName(by, value) {
  if (by === "hour_of_day") return `${String(value).padStart(2, "0")}:00`;
  if (value === "" || value === null || value === undefined) return h("span", { class: "none" }, t("nameless"));
  if (by === "consumer") return consumerLink(value);
  if (by === "day") return h("a", { href: to("requests", "", { since: value, until: dayAfter(value) }) }, value);
  if (["user", "model", "provider", "upstream", "route", "mode", "gateway"].includes(by)) return h("a", { href: to("requests", "", { [by]: value, since: "30d" }) }, foreign(value));
  if (["week", "month", "hour", "currency"].includes(by)) return foreign(value);
  return h("a", { href: to("requests", "", { [`dimension.${by}`]: value, since: "30d" }) }, foreign(value));
}

function dayAfter(day) {
  const next = new Date(`${day}T00:00:00Z`);
  next.setUTCDate(next.getUTCDate() + 1);
  return next.toISOString().slice(0, 10);
}

function hours({ groups: list, since, until }) {
  if (!list.length) return empty(t("usage.empty"));
  const cells = new Map(list.map(({ group, figures }) => [`${group.day} ${Number(group.hour_of_day)}`, figures.requests]));
  const days = [];
  const last = until ? stamp(new Date(Date.parse(until) - 1), "day") : list.at(-1).group.day;
  for (let day = since ? stamp(since, "day") : list[0].group.day; day <= last && days.length < 100; day = dayAfter(day)) days.push(day);
  // Months to come have no hours yet.
  const newest = list.reduce((most, { group }) => (group.day > most ? group.day : most), "");
  return heat({ caption: t("usage.hours"), rows: days.filter((day) => day <= newest).reverse(), value: (day, hour) => cells.get(`${day} ${hour}`) ?? 0, text: (number) => t("requests_n", { n: count(number) }) });
}
