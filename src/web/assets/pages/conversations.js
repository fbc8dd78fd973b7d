// Captured conversations: a list of the newest, or what a search finds, with its words marked.

import { get } from "../api.js";
import { barred, exporting, isOn, me } from "../captured.js";
import { h } from "../dom.js";
import { consumerLink, modelLink, sessionAddress } from "../figures.js";
import { chosen, filters } from "../filter.js";
import { bytes, count, foreign, time } from "../format.js";
import { badge, empty, section } from "../panel.js";
import { asked, period } from "../period.js";
import { altered, go, to } from "../place.js";
import { pager } from "../table.js";
import { t } from "../words.js";

function parameters(place) {
  return { ...asked(place, "7d"), ...chosen(place) };
}

function search(place) {
  const words = place.query.get("q") ?? "";
  return h("form", { class: "search-form", role: "search", key: "search", onsubmit: (event) => {
    event.preventDefault();
    go(altered(place, { q: String(new FormData(event.target).get("q") ?? "").trim() }));
  } },
    h("input", { type: "search", name: "q", value: words, "aria-label": t("conversations.search"), placeholder: t("conversations.search.example"), autocomplete: "off", spellcheck: "false", dir: "auto" }),
    h("button", { type: "submit" }, t("conversations.search.go")),
    words ? h("a", { class: "button", href: altered(place, { q: null }) }, t("conversations.search.clear")) : null);
}

export default {
  title: () => t("nav.conversations"),
  lead: () => t("conversations.lead"),
  controls: (place, data) => (data?.who?.role === "admin" ? [search(place), period(place, "7d"), filters(place, ["consumer", "user", "model", "session"], ["gateway", "route", "provider", "upstream", "mode"], ["q"])] : null),

  async load(place, signal) {
    const who = await me(signal);
    if (who.role !== "admin") return { as_of: who.as_of, who };
    return { who, ...(await get("conversations", { ...parameters(place), cursor: place.query.get("cursor"), limit: 50 }, signal)) };
  },

  view(data, place) {
    const title = place.query.get("q") ? t("conversations.found") : t("conversations.newest");
    const without = barred(data.who);
    if (without) return section(t("nav.conversations"), {}, without);
    if (!data.conversations.length) {
      return section(title, {}, empty(t("conversations.empty"),
        h("p", {}, h("a", { href: altered(place, { since: "30d", until: null, month: null }) }, t("empty.longer"))),
        isOn(data.who) ? null : h("p", {}, t("session.content.off"))));
    }
    return section(title, { aside: exporting(parameters(place)) },
      data.unindexed && place.query.get("q") ? h("p", { class: "about" }, t("conversations.unindexed", { n: count(data.unindexed) })) : null,
      h("ul", { class: "found" }, data.conversations.map((one) => h("li", { key: one.id }, head(one), snippet(one)))),
      pager(place, data, data.conversations.length));
  },
};

function head(one) {
  return h("div", { class: "found-head" },
    h("a", { href: to("requests", one.id) }, time(one.start)),
    one.consumer ? consumerLink(one.consumer) : null,
    one.model ? modelLink(one.model, { since: "30d" }) : null,
    one.session ? h("span", {}, h("span", { class: "dim small" }, t("column.session"), " "), h("a", { href: sessionAddress(one.session, one.gateway) }, foreign(one.session))) : null,
    h("span", { class: "dim small" }, t("conversations.messages", { n: count(one.messages) }), " · ", bytes(one.logged_bytes)),
    one.cut ? badge(t("content.cut"), "warn") : null,
    one.redactions ? badge(t("content.redacted", { n: count(one.redactions) })) : null,
    one.erased ? badge(t("conversations.erased")) : null);
}

function snippet(one) {
  if (!one.snippet.length) return null;
  return h("p", { class: "snippet", dir: "auto" }, one.snippet.map(({ text, match }) => (match ? h("mark", {}, text) : text)));
}
