// Sessions that match, the newest first.

import { address, get } from "../api.js";
import { h } from "../dom.js";
import { allTokens, consumerLink, list, sessionAddress, tokenBar } from "../figures.js";
import { compact, count, foreign, length, monies, time } from "../format.js";
import { chosen, filters } from "../filter.js";
import { badge, empty, section } from "../panel.js";
import { asked, period } from "../period.js";
import { altered } from "../place.js";
import { pager, table } from "../table.js";
import { t } from "../words.js";

/// Filters of the list alone: the file of all sessions does not take them.
const OWN = ["q", "min_turns", "min_seconds", "errors", "open"];

function parameters(place) {
  return { ...asked(place, "24h"), ...chosen(place) };
}

export default {
  title: () => t("nav.sessions"),
  lead: () => t("sessions.lead"),
  controls: (place) => [period(place, "24h"), filters(place, ["q", "consumer", "user", "model"], ["gateway", "route", "provider", "upstream", "mode", "errors", "open", "min_turns", "min_cost", "min_tokens"])],

  load: (place, signal) => get("sessions", { ...parameters(place), sort: place.query.get("sort"), order: place.query.get("order"), cursor: place.query.get("cursor"), limit: 50 }, signal),

  view(data, place) {
    const sorted = place.query.get("sort") ?? "updated";
    if (!data.sessions.length) return section(t("nav.sessions"), {}, empty(t("sessions.empty"), h("p", {}, h("a", { href: altered(place, { since: "30d", until: null, month: null }) }, t("empty.longer")))));
    return section(t("nav.sessions"), { aside: OWN.some((name) => place.query.has(name)) ? null : exporting("sessions", parameters(place)) }, sessionTable(data.sessions, place, sorted), pager(place, data, data.sessions.length));
  },
};

/// Links that hand a list out as a file.
export function exporting(what, asking) {
  return h("span", { class: "export" }, t("export"), " ", ["csv", "jsonl"].map((format) => h("a", { class: "button", href: address(`export/${what}`, { ...asking, format }), download: true, key: format }, format.toUpperCase())));
}

/// The table; without a place it cannot be sorted.
export function sessionTable(sessions, place, sorted) {
  const most = Math.max(1, ...sessions.map((session) => allTokens(session.tokens)));
  return table({
    name: "sessions",
    caption: t("nav.sessions"),
    place,
    sorted,
    order: place?.query.get("order") ?? "desc",
    rows: sessions,
    keyOf: (session) => `${session.gateway}\n${session.session}`,
    columns: [
      { label: t("column.session"), main: true, cell: (session) => h("span", { class: "with-dot" }, h("span", { class: session.open ? "dot good" : "dot none", title: t(session.open ? "session.open" : "session.closed") }, h("span", { class: "hidden" }, t(session.open ? "session.open" : "session.closed"))), h("a", { class: "id", href: sessionAddress(session.session, session.gateway) }, foreign(session.session))) },
      { label: t("column.consumer"), cell: (session) => session.consumers.length === 1 ? consumerLink(session.consumers[0]) : list(session.consumers) },
      { label: t("column.model"), cell: (session) => list(session.models) },
      { label: t("column.updated"), sort: "updated", cell: (session) => time(session.end) },
      { label: t("column.duration"), sort: "duration", number: true, cell: (session) => length(session.seconds) },
      { label: t("column.turns"), sort: "turns", number: true, cell: (session) => count(session.turns) },
      { label: t("column.errors"), number: true, cell: (session) => session.errors ? h("span", { class: "bad-text" }, count(session.errors)) : h("span", { class: "none" }, "0") },
      { label: t("column.tokens"), sort: "tokens", number: true, cell: (session) => [h("span", { title: count(allTokens(session.tokens)) }, compact(allTokens(session.tokens))), " ", tokenBar(session.tokens, most)] },
      { label: t("column.cost"), sort: "cost", number: true, cell: (session) => session.cost.length ? monies(session.cost, { exact: true }) : session.unpriced_requests ? badge(t("unpriced"), "warn") : foreign("") },
    ],
  });
}
