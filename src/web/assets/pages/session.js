// One session, turn by turn.

import { Problem, get } from "../api.js";
import { attempt, barred, conversation, exporting, isOn, me } from "../captured.js";
import { chart } from "../chart.js";
import { h } from "../dom.js";
import { KINDS, allTokens, consumerLink, costOf, kindsOf, list, modelLink, outcome, tokenBar, trace } from "../figures.js";
import { asNumber, compact, count, currencies, foreign, length, monies, time } from "../format.js";
import { badge, bar, cards, facts, legend, section, trouble } from "../panel.js";
import { literal, to } from "../place.js";
import { pager, table } from "../table.js";
import { named, t } from "../words.js";
import { amount } from "./overview.js";

export default {
  title: (place) => t("session.title", { id: place.id.length > 60 ? `${place.id.slice(0, 60)}…` : place.id }),
  heading: (place) => h("span", { class: "id-title" }, foreign(place.id)),

  above: () => ["sessions", t("nav.sessions")],

  async load(place, signal) {
    const [answer, who] = await Promise.all([get(`sessions/${encodeURIComponent(place.id)}`, { gateway: place.query.get("gateway"), cursor: place.query.get("cursor"), limit: 200 }, signal), me(signal)]);
    const { session, turns } = answer;
    if (!answer.content_url || who.role !== "admin" || !turns.length) return { ...answer, who };
    // The end of the time asked for is not in it.
    const until = new Date(Date.parse(turns[turns.length - 1].request.start) + 1).toISOString();
    const which = { session: literal("session", session.session), gateway: literal("gateway", session.gateway), since: turns[0].request.start, until, limit: 1000 };
    return { ...answer, who, kept: await attempt(get("conversations", which, signal)) };
  },

  view(data, place) {
    const { session, turns } = data;
    return [
      cards([
        { label: t("column.duration"), value: length(session.seconds), note: session.open ? badge(t("session.open"), "good") : t("session.closed") },
        { label: t("column.turns"), value: count(session.turns), note: session.tool_calls ? t("session.tool_calls", { n: count(session.tool_calls) }) : null },
        { label: t("column.tokens"), value: compact(allTokens(session.tokens)), note: t("overview.in_out", { input: compact(session.tokens.input), output: compact(session.tokens.output) }) },
        { label: t("column.cost"), value: monies(session.cost), note: session.unpriced_requests ? t("unpriced_n", { n: count(session.unpriced_requests) }) : null },
        { label: t("column.errors"), value: count(session.errors), tone: session.errors ? "bad" : null },
      ]),
      h("div", { class: "columns" },
        section(t("session.about"), {}, facts([
          [t("column.session"), foreign(session.session)],
          [t("column.start"), time(session.start)],
          [t("column.updated"), time(session.end)],
          [t("column.consumer"), session.consumers.length === 1 ? consumerLink(session.consumers[0]) : list(session.consumers)],
          [t("column.user"), session.user ? h("a", { href: to("requests", "", { user: session.user, since: "30d" }) }, foreign(session.user)) : foreign("")],
          [t("column.model"), list(session.models)],
          [t("column.gateway"), foreign(session.gateway)],
          ...Object.entries(session.dimensions ?? {}).map(([name, values]) => [name, Array.isArray(values) ? list(values) : foreign(values)]),
          [t("session.kind"), session.derived ? t("session.derived") : t("session.named")],
          [t("session.parts"), session.parts > 1 ? t("session.parts.about", { n: count(session.parts) }) : null],
          [t("session.trace"), trace(session)],
        ])),
        section(t("session.tokens"), {}, tokens(session.tokens), turns.length > 1 ? running(turns) : null)),
      section(t("session.turns"), { about: t("session.turns.about") }, legend([["first", t("column.first_token")], ["rest", t("session.rest")], ...KINDS.map((kind) => [`kind-${kind}`, named("kind", kind)])]), turnTable(turns), pager(place, data, turns.length, t("pager.earlier")), data.removed ? h("p", { class: "about" }, t("session.removed", { n: count(data.removed) })) : null),
      content(data),
    ];
  },
};

/// What was said, turn by turn.
function content({ session, turns, who, kept, content_url: address }) {
  const say = (text) => section(t("session.content"), {}, h("p", { class: "about" }, text));
  if (!address && !isOn(who)) return say(t("session.content.off"));
  const without = barred(who);
  if (without) return section(t("session.content"), {}, without);
  if (kept instanceof Problem) return section(t("session.content"), {}, trouble(kept, {}));
  const known = new Map((kept?.conversations ?? []).map((one) => [one.id, one]));
  const said = turns.filter(({ request }) => known.has(request.id));
  if (!said.length) return say(t("content.none"));
  const aside = exporting({ session: session.session, gateway: session.gateway });
  return section(t("session.content"), { aside }, h("div", { class: "turns" }, said.map(({ number, request }) =>
    h("div", { class: "turn", key: request.id },
      h("div", { class: "turn-head" }, h("strong", {}, h("a", { href: to("requests", request.id) }, t("session.turn", { n: count(number) }))), h("span", { class: "dim" }, time(request.start)), request.model ? h("span", { class: "dim" }, foreign(request.model)) : null),
      conversation(known.get(request.id))))));
}

function tokens(all) {
  const kinds = kindsOf(all);
  return [
    h("div", { class: "wide-bar" }, tokenBar(all)),
    h("dl", { class: "facts split" }, KINDS.filter((kind) => kinds[kind]).map((kind) => h("div", { key: kind }, h("dt", {}, h("i", { class: `key kind-${kind}` }), named("kind", kind)), h("dd", { class: "number" }, count(kinds[kind]))))),
  ];
}

function running(turns) {
  return currencies(turns.map((turn) => turn.cost_so_far)).slice(0, 1).map((currency) => chart({
    title: t("session.running", { currency }),
    times: turns.map((turn) => turn.request.start),
    series: [{ label: currency, tone: "tone-accent", kind: "line", values: turns.map((turn) => asNumber(turn.cost_so_far.find((one) => one.currency === currency))) }],
    format: amount,
    form: "second",
    height: 130,
  }));
}

/// First token and the rest of a request as a bar against the longest one.
export function lengthBar(request, most) {
  const first = Math.min(request.first_token_seconds ?? 0, request.seconds ?? 0);
  return bar([{ size: first, tone: "first" }, { size: (request.seconds ?? 0) - first, tone: "rest" }], most, t("session.bar", { first: length(request.first_token_seconds), whole: length(request.seconds) }));
}

function turnTable(turns) {
  const most = Math.max(0.001, ...turns.map((turn) => turn.request.seconds ?? 0));
  const mostTokens = Math.max(1, ...turns.map((turn) => allTokens(turn.request.tokens)));
  return table({
    name: "turns",
    caption: t("session.turns"),
    rows: turns,
    keyOf: (turn) => turn.number,
    columns: [
      { label: t("column.turn"), main: true, cell: ({ number, request }) => [h("a", { href: to("requests", request.id) }, t("session.turn", { n: count(number) })), h("div", { class: "dim small" }, time(request.start))] },
      { label: t("column.outcome"), cell: ({ request }) => [outcome(request), request.tools?.length ? h("div", { class: "dim small" }, t("column.tools"), ": ", list(request.tools)) : null] },
      // One model is named above already.
      new Set(turns.map(({ request }) => request.model).filter(Boolean)).size > 1 ? { label: t("column.model"), cell: ({ request }) => modelLink(request.model, { since: "30d" }) } : null,
      { label: t("column.first_token"), number: true, cell: ({ request }) => length(request.first_token_seconds) },
      { label: t("column.duration"), number: true, cell: ({ request }) => [length(request.seconds), " ", lengthBar(request, most)] },
      { label: t("column.tokens"), number: true, cell: ({ request }) => [h("span", { title: t("overview.in_out", { input: count(request.tokens.input), output: count(request.tokens.output) }) }, `${count(request.tokens.input)} → ${count(request.tokens.output)}`), " ", tokenBar(request.tokens, mostTokens)] },
      { label: t("column.cost"), number: true, cell: ({ request }) => costOf(request) },
      { label: t("column.so_far"), number: true, cell: (turn) => monies(turn.cost_so_far, { exact: true }) },
    ].filter(Boolean),
  });
}
