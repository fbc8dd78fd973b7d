// Rows become a table that is one on wide screens and a list of cards on narrow ones, with its roles in both.

import { h } from "./dom.js";
import { altered, go } from "./place.js";
import { count } from "./format.js";
import { t } from "./words.js";

/// `columns`: `{ label, cell(row), number, sort, wide, main }`. `sort` is the API's name where the column can be sorted by;
/// `main` marks the column that names the row. `foot` is a row of totals, made by `total(row)` of each column.
export function table({ caption, columns, rows, keyOf, place, sorted, order, foot, name }) {
  const head = (column) => {
    const active = column.sort && column.sort === sorted;
    const next = active && order === "desc" ? "asc" : "desc";
    return h("th", { scope: "col", role: "columnheader", class: column.number ? "number" : null, "aria-sort": active ? (order === "asc" ? "ascending" : "descending") : null, key: column.label },
      column.sort && place ? h("a", { href: altered(place, { sort: column.sort, order: next === "desc" ? null : next }) }, column.label, h("span", { class: "arrow", "aria-hidden": "true" }, active ? (order === "asc" ? "↑" : "↓") : "")) : column.label);
  };
  const body = (row, index) =>
    h("tr", { role: "row", key: keyOf ? keyOf(row) : index }, columns.map((column) =>
      h(column.main ? "th" : "td", { scope: column.main ? "row" : null, role: column.main ? "rowheader" : "cell", class: [column.number ? "number" : "", column.main ? "main" : ""].join(" ").trim() || null, "data-label": column.main ? null : column.label }, column.cell(row))));
  const sortable = columns.filter((column) => column.sort && place);
  return [
    sortable.length && sorted
      ? h("label", { class: "narrow-sort" }, t("sort_by"), " ", h("select", { onchange: (event) => go(altered(place, { sort: event.target.value, order: null })) }, sortable.map((column) => h("option", { value: column.sort, selected: column.sort === sorted }, column.label))))
      : null,
    h("div", { class: "scroll" },
      h("table", { role: "table", "data-name": name ?? null }, h("caption", { class: "hidden" }, caption),
        h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, columns.map(head))),
        h("tbody", { role: "rowgroup" }, rows.map(body)),
        foot ? h("tfoot", { role: "rowgroup" }, h("tr", { role: "row" }, columns.map((column, index) => h(index ? "td" : "th", { role: index ? "cell" : "rowheader", scope: index ? null : "row", class: column.number ? "number" : column.main ? "main" : null, "data-label": index ? column.label : null }, index ? (column.total ?? column.cell)(foot) : t("total"))))) : null)),
  ];
}

/// The way on through a long list. Going back is the browser's.
export function pager(place, answer, shown, next = t("pager.next")) {
  const started = place.query.has("cursor");
  if (!answer.next && !started) return h("p", { class: "pager" }, t("pager.all", { n: count(shown) }));
  return h("nav", { class: "pager", "aria-label": t("pager") },
    h("span", {}, answer.found > shown ? t("pager.of", { n: count(shown), all: count(answer.found) }) : t("pager.some", { n: count(shown) })),
    started ? h("a", { href: altered(place, { cursor: null }) }, t("pager.first")) : null,
    answer.next ? h("a", { href: altered(place, { cursor: answer.next }), rel: "next" }, next) : null);
}
