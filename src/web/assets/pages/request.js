// One request, and how its cost was worked out.

import { Problem, get } from "../api.js";
import { attempt, barred, isOn, me } from "../captured.js";
import { h } from "../dom.js";
import { consumerLink, costOf, list, modelLink, outcome, sessionLink, tokenBar, trace } from "../figures.js";
import { count, foreign, length, money, stamp, time } from "../format.js";
import { badge, cards, empty, facts, section, trouble } from "../panel.js";
import { to } from "../place.js";
import { exchange } from "../said.js";
import { table } from "../table.js";
import { named, t } from "../words.js";
import { lengthBar } from "./session.js";

/// What is told of a price row beside its prices, which the table has.
const PRICE = ["provider", "model", "source", "valid_from", "note"];

export default {
  title: (place, data) => (data ? t("request.title", { time: stamp(data.request.start) }) : t("request.untold", { id: place.id })),
  above: () => ["requests", t("nav.requests")],

  async load(place, signal) {
    const [answer, who] = await Promise.all([get(`requests/${encodeURIComponent(place.id)}`, {}, signal), me(signal)]);
    if (!answer.content_url || who.role !== "admin") return { ...answer, who };
    return { ...answer, who, said: await attempt(get(`conversations/${encodeURIComponent(place.id)}`, {}, signal)) };
  },

  view(data) {
    const { request, kinds, price_row: row, arithmetic, logged_cost: logged } = data;
    return [
      cards([
        { label: t("column.outcome"), value: outcome(request), note: named("mode", request.mode) },
        { label: t("column.first_token"), value: length(request.first_token_seconds), note: request.first_token_seconds === null ? t("request.no_first") : null },
        { label: t("column.duration"), value: length(request.seconds), note: lengthBar(request, request.seconds) },
        { label: t("column.tokens"), value: `${count(request.tokens.input)} → ${count(request.tokens.output)}`, note: tokenBar(request.tokens) },
        { label: t("column.cost"), value: costOf(request), note: request.assumed.length ? badge(t("assumed"), "warn") : null },
      ], { small: true }),
      h("div", { class: "columns uneven" },
        section(t("request.about"), {}, facts([
          [t("column.time"), time(request.start)],
          [t("column.session"), [sessionLink(request), request.session_derived ? h("div", { class: "dim small" }, t("session.derived")) : null]],
          [t("column.turn"), request.chat_round === null || request.chat_round === undefined ? null : count(request.chat_round)],
          [t("column.consumer"), consumerLink(request.consumer)],
          [t("column.user"), request.user ? h("a", { href: to("requests", "", { user: request.user, since: "30d" }) }, foreign(request.user)) : foreign("")],
          [t("column.model"), modelLink(request.model, { since: "30d" })],
          [t("column.provider"), foreign(request.provider)],
          [t("column.upstream"), foreign(request.upstream)],
          [t("column.route"), foreign(request.route)],
          [t("column.gateway"), foreign(request.gateway)],
          ...Object.entries(request.dimensions ?? {}).map(([name, value]) => [name, h("a", { href: to("requests", "", { [`dimension.${name}`]: value }) }, foreign(value))]),
          [t("column.tools"), request.tools?.length ? list(request.tools) : null],
          [t("request.anomalies"), request.anomalies?.length ? request.anomalies.map((one) => badge(named("anomaly", one), "warn")) : null],
          [t("request.id"), foreign(request.id)],
          [t("session.trace"), trace(data)],
        ])),
        section(t("request.price"), { about: t("request.price.about") },
          kinds.length ? kindTable(kinds, request) : empty(request.unpriced ? t("request.unpriced") : request.usage_missing ? t("request.usage_missing") : t("request.no_tokens")),
          request.assumed.length ? h("ul", { class: "plain-list" }, request.assumed.map((one) => h("li", {}, badge(t("assumed"), "warn"), " ", foreign(named("assumed", one))))) : null,
          logged ? h("p", {}, t("request.logged"), " ", money(logged, { exact: true })) : null,
          arithmetic.length ? h("pre", { class: "arithmetic", tabindex: 0, "aria-label": t("request.price") }, arithmetic.join("\n")) : null,
          row ? facts([...PRICE.map((name) => [named("price", name), row[name] === undefined || row[name] === null ? null : foreign(String(row[name]))]), [t("price.id"), data.price_row_id ? foreign(data.price_row_id) : null]]) : null)),
      section(t("session.content"), {}, content(data)),
    ];
  },
};

function content({ who, said, content_url: address }) {
  if (!address) return h("p", { class: "about" }, t(isOn(who) ? "content.none" : "session.content.off"));
  if (said instanceof Problem) return trouble(said, {});
  return barred(who) ?? exchange(said);
}

/// The price table's names of kinds by the ones whose colours they have.
const COLOURS = { input: "uncached_input", cache_write_5m: "cache_write", cache_write_1h: "cache_write" };

function kindTable(kinds, request) {
  const currency = request.cost?.currency ?? "";
  return table({
    name: "kinds",
    caption: t("request.price"),
    rows: kinds,
    keyOf: ({ kind }) => kind,
    columns: [
      { label: t("column.kind"), main: true, cell: ({ kind }) => [h("i", { class: `key kind-${COLOURS[kind] ?? kind}` }), named("kind", kind)] },
      { label: t("column.tokens"), number: true, cell: ({ tokens }) => count(tokens), total: () => count(kinds.reduce((sum, kind) => sum + kind.tokens, 0)) },
      { label: t("column.per_million"), number: true, cell: ({ price_per_million: price }) => price ?? "–", total: () => "" },
      { label: t("column.amount", { currency }), number: true, cell: ({ amount }) => amount ?? "–", total: () => request.cost ? money(request.cost, { exact: true }) : "–" },
    ],
    foot: request.cost ? {} : null,
  });
}
