// What requests, sessions and groups have in common: tokens by kind, links to what is named, columns of tables.

import { h } from "./dom.js";
import { count, foreign, length, monies, percent } from "./format.js";
import { badge, bar, choice } from "./panel.js";
import { altered, to } from "./place.js";
import { named, t } from "./words.js";

/// The kinds of tokens, disjoint, in the order in which they are shown.
export const KINDS = ["uncached_input", "cache_read", "cache_write", "output", "reasoning"];

/// Tokens as the API counts them (input includes cache, output includes reasoning) by disjoint kind.
export function kindsOf(tokens) {
  return {
    uncached_input: Math.max(0, tokens.input - tokens.cache_read - tokens.cache_write),
    cache_read: tokens.cache_read,
    cache_write: tokens.cache_write,
    output: Math.max(0, tokens.output - tokens.reasoning),
    reasoning: tokens.reasoning,
  };
}

/// All tokens.
export function allTokens(tokens) {
  return tokens.input + tokens.output;
}

/// Tokens as a bar of their kinds; as long as their share of `most`.
export function tokenBar(tokens, most) {
  const kinds = kindsOf(tokens);
  const words = KINDS.filter((kind) => kinds[kind]).map((kind) => `${named("kind", kind)} ${count(kinds[kind])}`).join(", ");
  return bar(KINDS.map((kind) => ({ size: kinds[kind], tone: `kind-${kind}` })), most ?? allTokens(tokens), words || count(0));
}

/// The address of a session, by its gateway too: two gateways may use one id.
export function sessionAddress(id, gateway) {
  return to("sessions", id, { gateway });
}

export function sessionLink(request) {
  return request.session ? h("a", { href: sessionAddress(request.session, request.gateway), class: "id" }, foreign(request.session)) : foreign("");
}

export function consumerLink(name) {
  return name ? h("a", { href: to("consumers", name) }, foreign(name)) : foreign("");
}

/// A model, or the requests of a model.
export function modelLink(name, query) {
  return name ? h("a", { href: to("requests", "", { ...query, model: name }) }, foreign(name)) : foreign("");
}

/// A trace as a link where an address is configured, else what would make it one.
export function trace({ trace_id: id, trace_url: address }) {
  if (address) return h("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, t("trace.open"));
  return id ? [h("code", {}, foreign(id)), h("div", { class: "dim small" }, t("trace.no_address"))] : h("span", { class: "dim" }, t("trace.none"));
}

/// Models of a session or consumer.
export function list(names) {
  return names?.length ? h("span", { class: "list" }, names.map((name, index) => [index ? ", " : "", foreign(name)])) : foreign("");
}

/// How a request ended.
export function outcome(request) {
  if (request.outcome === "success") return badge(String(request.status || t("series.succeeded")), "good");
  const reason = named("reason", request.outcome);
  return request.status ? [badge(String(request.status), "bad"), h("div", { class: "bad-text small" }, reason)] : badge(reason, "bad");
}

/// What a request cost, or why nobody knows.
export function costOf(request) {
  if (request.cost) return monies([request.cost], { exact: true });
  if (request.unpriced) return badge(t("unpriced"), "warn");
  if (request.usage_missing) return badge(t("usage_missing"), "warn");
  return foreign("");
}

/// A group's cost, with what is missing from it.
export function costOfGroup(figures) {
  return h("span", { class: "stack" }, figures.cost.length || !figures.unpriced_requests ? monies(figures.cost) : null, figures.unpriced_requests ? h("span", { class: "badge warn", title: t("unpriced.about") }, t("unpriced_n", { n: count(figures.unpriced_requests) })) : null);
}

/// Errors with their share, loud only where there are some.
export function errors(figures) {
  if (!figures.errors) return h("span", { class: "none" }, "0");
  const ratio = figures.error_ratio ?? (figures.requests ? figures.errors / figures.requests : null);
  return h("span", { class: "bad-text" }, count(figures.errors), ratio === null ? null : h("small", {}, ` ${percent(ratio, 1)}`));
}

/// The choice of what to group by: `columns`, the dimensions that the newest requests have, and the place's own.
export function groupings(place, columns, usual, newest) {
  const chosen = place.query.get("by") ?? usual;
  const dimensions = (newest?.requests ?? []).flatMap((request) => Object.keys(request.dimensions ?? {}));
  const names = [...new Set([...columns, ...dimensions.sort(), chosen])];
  return choice(t("by"), chosen, names.map((name) => [name, columnName(name)]), (name) => altered(place, { by: name === usual ? null : name }));
}

/// What tells the dimensions of [`groupings`].
export const NEWEST = { limit: 20, since: "30d" };

/// The columns of a table of groups.
export const GROUP_COLUMNS = {
  requests: () => ({ label: t("column.requests"), number: true, cell: ({ figures }) => count(figures.requests) }),
  errors: () => ({ label: t("column.errors"), number: true, cell: ({ figures }) => errors(figures) }),
  input: () => ({ label: t("column.input"), number: true, cell: ({ figures }) => count(figures.tokens.input) }),
  output: () => ({ label: t("column.output"), number: true, cell: ({ figures }) => count(figures.tokens.output) }),
  cost: () => ({ label: t("column.cost"), number: true, cell: ({ figures }) => costOfGroup(figures) }),
  sessions: () => ({ label: t("column.sessions"), number: true, cell: ({ figures }) => count(figures.sessions) }),
  time: () => ({ label: t("column.session_time"), number: true, cell: ({ figures }) => length(figures.session_seconds) }),
  mean: () => ({ label: t("column.mean"), number: true, cell: ({ figures }) => length(figures.mean_seconds) }),
  first_token: () => ({ label: t("column.first_token"), number: true, cell: ({ figures }) => length(figures.mean_first_token_seconds) }),
};

/// What people call a column to group by, inside a sentence.
export function columnWord(by) {
  return named("by", by);
}

/// The same as a heading; a dimension's name stays as its owner wrote it.
export function columnName(by) {
  const word = columnWord(by);
  return word === by && !["user", "consumer", "model", "provider", "upstream", "route", "gateway", "mode", "day", "week", "month", "hour", "currency"].includes(by) ? word : word[0].toUpperCase() + word.slice(1);
}
