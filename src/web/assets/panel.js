// The pieces that views are made of: cards, sections, notes for what is empty or failed, definition lists, bars.

import { Problem } from "./api.js";
import { h } from "./dom.js";
import { foreign, stamp, zone } from "./format.js";
import { t } from "./words.js";

/// A titled part of a page. `aside` stands at the right of its title.
export function section(title, { aside, about, key } = {}, ...children) {
  return h("section", { class: "panel", key: key ?? title }, h("div", { class: "panel-head" }, h("h2", {}, title), aside ?? null), about ? h("p", { class: "about" }, about) : null, children);
}

/// A section whose answer may be a problem of its own.
export function part(answer, title, options, view) {
  if (answer instanceof Problem) return section(title, options, trouble(answer, {}));
  return answer ? section(title, options, view(answer)) : null;
}

/// What went wrong and what to do about it.
export function trouble(problem, { stale, retry }) {
  return h("div", { class: "trouble", role: "alert" },
    h("p", {}, h("strong", {}, foreign(problem.message))),
    h("p", {}, problem.remedy, stale ? ` ${t("problem.stale", { time: stamp(stale), zone })}` : ""),
    retry ? h("button", { type: "button", onclick: retry }, t("retry")) : null);
}

/// Nothing to show, and why.
export function empty(text, ...more) {
  return h("div", { class: "empty" }, h("p", {}, text), more);
}

/// Figures side by side: `{ label, value, note, tone, href }`.
export function cards(list, { small } = {}) {
  return h("dl", { class: small ? "cards small" : "cards" }, list.filter(Boolean).map(({ label, value, note, tone, href, id }) =>
    h("div", { class: tone ? `card ${tone}` : "card", key: label, "data-card": id ?? null },
      h("dt", {}, href ? h("a", { href }, label) : label),
      h("dd", { class: "value" }, value),
      note ? h("dd", { class: "note" }, note) : null)));
}

/// Names and values one below another; `null` values are left out.
export function facts(pairs) {
  return h("dl", { class: "facts" }, pairs.filter((pair) => pair && pair[1] !== null && pair[1] !== undefined).map(([name, value]) => h("div", { key: name }, h("dt", {}, name), h("dd", {}, value))));
}

/// A coloured word.
export function badge(text, tone) {
  return h("span", { class: tone ? `badge ${tone}` : "badge" }, text);
}

/// A bar of parts: `parts` are `{ size, tone, label }`; lengths are shares of `whole`.
export function bar(parts, whole, label) {
  return h("span", { class: "bar", role: "img", "aria-label": label, title: label },
    parts.filter(({ size }) => size > 0).map(({ size, tone }) => h("i", { class: tone, style: { width: `${Math.min(100, (100 * size) / (whole || 1)).toFixed(2)}%` } })));
}

/// How much of a limit is used.
export function meter(ratio, tone, label) {
  return h("span", { class: `meter ${tone}`, role: "meter", "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": Math.min(100, Math.round(ratio * 100)), "aria-valuetext": label, "aria-label": label },
    h("i", { style: { width: `${Math.min(100, ratio * 100).toFixed(1)}%` } }));
}

/// The colours of a bar, in words.
export function legend(entries) {
  return h("ul", { class: "legend" }, entries.map(([tone, label]) => h("li", {}, h("i", { class: tone }), label)));
}

/// Links that choose one of several: `[value, label]` pairs.
export function choice(label, value, pairs, hrefOf) {
  return h("div", { class: "choice", role: "group", "aria-label": label }, h("span", { class: "choice-label" }, label),
    pairs.map(([name, text]) => h("a", { href: hrefOf(name), "aria-current": name === value ? "true" : null, key: name }, text)));
}
