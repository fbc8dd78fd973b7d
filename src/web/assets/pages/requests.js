// Requests that match, the newest first.

import { get } from "../api.js";
import { h } from "../dom.js";
import { allTokens, consumerLink, costOf, outcome, sessionLink, tokenBar } from "../figures.js";
import { count, foreign, length, time } from "../format.js";
import { chosen, filters } from "../filter.js";
import { empty, section } from "../panel.js";
import { asked, period } from "../period.js";
import { altered, to } from "../place.js";
import { pager, table } from "../table.js";
import { t } from "../words.js";
import { lengthBar } from "./session.js";
import { exporting } from "./sessions.js";

function parameters(place) {
  return { ...asked(place, "24h"), ...chosen(place) };
}

export default {
  title: () => t("nav.requests"),
  lead: () => t("requests.lead"),
  controls: (place) => [period(place, "24h"), filters(place, ["consumer", "model", "status", "error"], ["gateway", "route", "provider", "upstream", "mode", "user", "session", "min_tokens", "min_cost", "currency"])],

  load: (place, signal) => get("requests", { ...parameters(place), sort: place.query.get("sort"), order: place.query.get("order"), cursor: place.query.get("cursor"), limit: 50 }, signal),

  view(data, place) {
    if (!data.requests.length) return section(t("nav.requests"), {}, empty(t("requests.empty"), h("p", {}, h("a", { href: altered(place, { since: "30d", until: null, month: null }) }, t("empty.longer")))));
    const most = Math.max(0.001, ...data.requests.map((request) => request.seconds ?? 0));
    const mostTokens = Math.max(1, ...data.requests.map((request) => allTokens(request.tokens)));
    return section(t("nav.requests"), { aside: exporting("requests", parameters(place)) },
      table({
        name: "requests",
        caption: t("nav.requests"),
        place,
        sorted: place.query.get("sort") ?? "start",
        order: place.query.get("order") ?? "desc",
        rows: data.requests,
        keyOf: (request) => request.id,
        columns: [
          { label: t("column.time"), sort: "start", main: true, cell: (request) => h("a", { href: to("requests", request.id) }, time(request.start)) },
          { label: t("column.outcome"), cell: outcome },
          { label: t("column.model_consumer"), cell: (request) => h("span", { class: "slim" }, request.model ? h("a", { href: altered(place, { model: request.model }) }, foreign(request.model)) : foreign(""), request.consumer ? h("div", { class: "dim small" }, consumerLink(request.consumer)) : null) },
          { label: t("column.session"), cell: (request) => h("span", { class: "slim" }, sessionLink(request)) },
          { label: t("column.first_token"), sort: "first_token", number: true, cell: (request) => length(request.first_token_seconds) },
          { label: t("column.duration"), sort: "duration", number: true, cell: (request) => [length(request.seconds), " ", lengthBar(request, most)] },
          { label: t("column.tokens"), sort: "tokens", number: true, cell: (request) => [`${count(request.tokens.input)} → ${count(request.tokens.output)}`, " ", tokenBar(request.tokens, mostTokens)] },
          { label: t("column.cost"), sort: "cost", number: true, cell: costOf },
        ],
      }),
      pager(place, data, data.requests.length));
  },
};
