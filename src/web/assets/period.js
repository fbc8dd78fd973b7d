// The part of the address that says which time is shown: an age, a month, or two dates of the zone shown.

import { h } from "./dom.js";
import { parts, stamp } from "./format.js";
import { altered, go } from "./place.js";
import { t } from "./words.js";

const AGES = ["1h", "24h", "7d", "30d", "90d"];

/// The parameters of the API for the place's period; `usual` is an age, or `month` for the current one.
export function asked(place, usual) {
  const { query } = place;
  if (query.get("month")) return { month: query.get("month") };
  if (query.get("since") || query.get("until")) return { since: query.get("since"), until: query.get("until") };
  return usual === "month" ? { month: stamp(new Date(), "month") } : { since: usual };
}

/// Whether the period is short enough for hours.
export function stepOf(place, usual) {
  const { since, until, month } = asked(place, usual);
  if (month) return "day";
  if (until || !since) return "day";
  return /^\d+(m|h)$/.test(since) || since === "1d" || since === "2d" ? "hour" : "day";
}

/// `2026-11` and the month before it.
function months() {
  const now = parts(new Date());
  const before = now.month === "01" ? `${now.year - 1}-12` : `${now.year}-${String(now.month - 1).padStart(2, "0")}`;
  return [`${now.year}-${now.month}`, before];
}

/// The control. `ages` are the offered ones.
export function period(place, usual, ages = AGES) {
  const { since, until, month } = asked(place, usual);
  const [current, before] = months();
  const link = (text, changes, chosen) => h("a", { href: altered(place, { since: null, until: null, month: null, ...changes }), "aria-current": chosen ? "true" : null, key: text }, text);
  const dated = !month && !(ages.includes(since) && !until);
  const field = (name, value) => h("label", {}, t(`period.${name}`), h("input", { type: "date", name, value: /^\d{4}-\d\d-\d\d$/.test(value ?? "") ? value : "" }));
  return h("div", { class: "choice period", role: "group", "aria-label": t("period") },
    h("span", { class: "choice-label" }, t("period")),
    ages.map((age) => link(t(`period.${age}`), { since: age }, !month && !until && since === age)),
    link(t("period.this_month"), { month: current }, month === current),
    link(t("period.last_month"), { month: before }, month === before),
    h("details", { class: "popover", onkeydown: (event) => {
      if (event.key !== "Escape") return;
      event.currentTarget.open = false;
      event.currentTarget.querySelector("summary").focus();
    } },
      h("summary", { class: dated || (month && month !== current && month !== before) ? "chosen" : null }, dated ? `${since ?? "…"} – ${until ?? t("period.now")}` : month && month !== current && month !== before ? month : t("period.dates")),
      h("form", { onsubmit: (event) => {
        event.preventDefault();
        const given = new FormData(event.target);
        event.target.closest("details").open = false;
        go(altered(place, { month: null, since: given.get("since"), until: given.get("until") }));
      } }, field("since", since), field("until", until), h("p", { class: "about" }, t("period.about")), h("button", { type: "submit" }, t("apply")))));
}
