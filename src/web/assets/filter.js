// The part of the address that says which requests or sessions are meant, as a form and as chips.

import { get } from "./api.js";
import { h, island } from "./dom.js";
import { foreign } from "./format.js";
import { altered, go, literal, values } from "./place.js";
import { named, t } from "./words.js";

/// Columns that take any value; what there is, is suggested.
const COLUMNS = ["gateway", "route", "provider", "model", "upstream", "mode", "consumer", "user"];

/// Names of an address that are no filters: the time, the order, the columns and the part of a list that is shown.
const OTHERS = ["since", "until", "month", "sort", "order", "by", "cursor"];

/// Why requests fail, as the ledger names it.
const REASONS = ["rate_limited", "client", "upstream", "timeout", "disconnect", "gateway"];

/// The filters of a place, for the API, which refuses by name what it does not know: nothing is left out in silence.
export function chosen(place) {
  const filters = {};
  for (const name of new Set(place.query.keys())) {
    if (!OTHERS.includes(name)) filters[name] = place.query.getAll(name);
  }
  return filters;
}

/// What people call a filter: a dimension by its own name, one that does not exist as it stands.
function nameOf(name) {
  return name.startsWith("dimension.") ? name.slice(10) : named("filter", name);
}

/// A field with the values that are there, most used first, asked for when it is entered.
function suggested(place, name) {
  const id = `values-${name}`;
  return [
    h("input", { name, list: id, value: place.query.getAll(name).join(","), autocomplete: "off", spellcheck: "false", dir: "auto", onfocus: async (event) => {
      const list = document.getElementById(id);
      if (list.dataset.asked) return;
      list.dataset.asked = "true";
      try {
        const answer = await get("stats/top", { by: name, of: "requests", since: "30d", limit: 50 });
        list.replaceChildren(...answer.top.map(({ group }) => h("option", { value: literal(name, group[name]) })));
      } catch {
        // Without suggestions the field takes any text all the same.
        delete list.dataset.asked;
      }
    } }),
    island("values", "datalist", { id }, null, () => null),
  ];
}

function select(place, name, options) {
  const value = place.query.get(name) ?? "";
  return h("select", { name }, [["", t("filter.all")], ...options].map(([option, text]) => h("option", { value: option, selected: option === value }, text)));
}

function control(place, name) {
  if (COLUMNS.includes(name) && name !== "mode") return suggested(place, name);
  const number = (step) => h("input", { name, type: "number", min: 0, step, inputmode: "decimal", value: place.query.get(name) ?? "" });
  switch (name) {
    case "mode":
      return select(place, name, [["stream", t("mode.stream")], ["normal", t("mode.normal")]]);
    case "error":
      return select(place, name, [["any", t("error.any")], ["none", t("error.none")], ...REASONS.map((reason) => [reason, named("reason", reason)])]);
    case "errors":
    case "open":
      return select(place, name, [["true", t(`filter.${name}.true`)]]);
    case "min_turns":
    case "min_tokens":
    case "min_seconds":
      return number("1");
    case "min_cost":
      return number("any");
    default:
      return h("input", { name, value: place.query.get(name) ?? "", spellcheck: "false", dir: "auto" });
  }
}

/// A value as people say it.
function told(name, value) {
  if (name === "errors" || name === "open") return value === "true" ? t(`filter.${name}.true`) : value;
  if (name === "error" && (value === "any" || value === "none")) return t(`error.${value}`);
  return name === "error" ? named("reason", value) : name === "mode" ? named("mode", value) : value;
}

/// The form: `first` fields in sight, `rest` behind a switch; what is `apart` has a field of its own elsewhere.
export function filters(place, first, rest = [], apart = []) {
  const field = (name) => h("label", { class: "field", key: name }, h("span", {}, t(`filter.${name}`)), control(place, name));
  const apply = (form) => {
    const changes = {};
    for (const name of [...first, ...rest]) {
      const value = String(new FormData(form).get(name) ?? "").trim();
      changes[name] = values(name, value);
    }
    const address = altered(place, changes);
    if (new URL(address, document.baseURI).search !== location.search) go(address);
  };
  const all = [...new Set([...first, ...rest, ...place.query.keys()])].filter((name) => place.query.has(name) && (first.includes(name) || rest.includes(name) || (name in chosen(place) && !apart.includes(name))));
  const hidden = all.filter((name) => rest.includes(name)).length;
  return h("form", { class: "filters", role: "search", key: "filters", onsubmit: (event) => {
    event.preventDefault();
    apply(event.target);
  }, onchange: (event) => apply(event.currentTarget) },
    h("div", { class: "fields" }, first.map(field), h("button", { type: "submit", class: "hidden-submit" }, t("apply"))),
    rest.length ? h("details", {}, h("summary", {}, hidden ? t("filter.more_n", { n: hidden }) : t("filter.more")), h("div", { class: "fields" }, rest.map(field))) : null,
    all.length
      ? h("ul", { class: "chips", "aria-label": t("filter.active") }, all.map((name) =>
          h("li", { key: name }, h("span", { class: "chip" }, h("span", { class: "dim" }, foreign(nameOf(name))), " ", foreign(place.query.getAll(name).flatMap((text) => values(name, text)).map((value) => told(name, value)).join(", ")),
            h("a", { href: altered(place, { [name]: null }), "aria-label": t("filter.remove", { name: nameOf(name) }), class: "x" }, "×")))),
          h("li", { key: "clear" }, h("a", { href: altered(place, Object.fromEntries(all.map((name) => [name, null]))) }, t("filter.clear"))))
      : null);
}
