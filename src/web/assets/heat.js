// Days and hours become a heat map, which is a table whose cells are coloured.

import { h } from "./dom.js";
import { t } from "./words.js";

/// `rows` are names of days, `value(day, hour)` a number, `text(number)` its words.
export function heat({ caption, rows, value, text }) {
  const hours = Array.from({ length: 24 }, (_, hour) => hour);
  const most = Math.max(1e-12, ...rows.flatMap((day) => hours.map((hour) => value(day, hour))));
  return h("div", { class: "heat-frame" },
    h("table", { class: "heat" }, h("caption", { class: "hidden" }, caption),
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, h("span", { class: "hidden" }, t("column.day"))), hours.map((hour) => h("th", { scope: "col", class: hour % 6 ? "minor" : null }, String(hour).padStart(2, "0"))))),
      h("tbody", {}, rows.map((day) => h("tr", { key: day }, h("th", { scope: "row" }, day.slice(5)), hours.map((hour) => {
        const number = value(day, hour);
        const words = `${day} ${String(hour).padStart(2, "0")}:00 · ${text(number)}`;
        // By the root, so that quiet hours beside busy ones are still seen.
        return h("td", { title: words, style: { "--heat": number ? (0.12 + 0.88 * Math.sqrt(number / most)).toFixed(3) : "0" } }, h("span", { class: "hidden" }, text(number)));
      }))))),
    h("p", { class: "heat-key", "aria-hidden": "true" }, t("heat.less"), [0, 0.3, 0.55, 0.8, 1].map((level) => h("i", { style: { "--heat": String(level) } })), t("heat.more")));
}
