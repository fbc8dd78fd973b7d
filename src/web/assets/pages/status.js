// How tokentail itself is: its logs, where spans go, its ledger.

import { get } from "../api.js";
import { h } from "../dom.js";
import { ago, bytes, count, foreign, stamp, time } from "../format.js";
import { badge, cards, empty, facts, section } from "../panel.js";
import { table } from "../table.js";
import { named, t } from "../words.js";
import { tone } from "./overview.js";

export default {
  title: () => t("nav.status"),
  lead: () => t("status.lead"),

  load: (place, signal) => get("status", {}, signal),

  view(data) {
    const { ledger, config } = data;
    return [
      cards([
        { label: t("column.state"), value: badge(t(data.ready ? "status.ready" : "status.not_ready"), data.ready ? "good" : "bad"), note: data.why ? foreign(data.why) : t("status.version", { version: data.version }) },
        { label: t("status.requests"), value: count(ledger.requests), note: ledger.first ? t("status.since", { time: stamp(ledger.first, "day") }) : null },
        { label: t("status.ledger"), value: bytes(ledger.size_bytes), note: ledger.last_commit ? t("status.committed", { ago: ago(ledger.last_commit) }) : null },
        { label: t("status.started"), value: ago(data.started), note: time(data.started, "minute") },
        { label: t("status.config"), value: badge(t(config.successful === false ? "status.config.bad" : "status.config.good"), config.successful === false ? "bad" : "good"), note: config.last_reload ? stamp(config.last_reload, "minute") : null },
      ]),
      section(t("status.sources"), { about: t("status.sources.about") }, data.sources.length ? sourceTable(data.sources) : empty(t("status.no_sources"))),
      section(t("status.probes"), {}, data.probes?.length ? generic(data.probes, t("status.probes"), "target") : empty(t("status.no_probes"))),
      section(t("status.sinks"), {}, data.sinks?.length ? generic(data.sinks, t("status.sinks"), "name") : empty(t("status.no_sinks"))),
      section(t("status.jobs"), {}, data.jobs?.length ? generic(data.jobs, t("status.jobs"), "name") : empty(t("status.no_jobs"))),
      section(t("status.paths"), {}, facts([
        [h("a", { href: "metrics" }, "/metrics"), t("status.path.metrics")],
        [h("a", { href: "-/healthy" }, "/-/healthy"), t("status.path.healthy")],
        [h("a", { href: "-/ready" }, "/-/ready"), t("status.path.ready")],
        [h("a", { href: "api/v1/openapi.json" }, "/api/v1"), t("status.path.api")],
      ])),
    ];
  },
};

/// The logs that are followed.
export function sourceTable(sources) {
  const optional = (name, label) => (sources.some((source) => source[name] !== undefined) ? { label, number: true, cell: (source) => count(source[name]) } : null);
  return table({
    name: "sources",
    caption: t("status.sources"),
    rows: sources,
    keyOf: ({ name }) => name,
    columns: [
      { label: t("column.source"), main: true, cell: ({ name, path }) => [foreign(name), path ? h("div", { class: "dim small" }, foreign(path)) : null] },
      { label: t("column.state"), cell: ({ catching_up: behind, lag_bytes: lag }) => (behind ? badge(t("status.catching_up"), "warn") : badge(t(lag ? "status.reading" : "status.current"), "good")) },
      { label: t("column.unread"), number: true, cell: ({ lag_bytes: lag }) => bytes(lag) },
      { label: t("column.last_record"), cell: ({ last_record: last }) => time(last) },
      { label: t("column.lines"), number: true, cell: ({ lines }) => count(lines) },
      optional("skipped", t("column.skipped")),
      optional("duplicates", t("column.duplicates")),
      { label: t("column.rejected"), number: true, cell: ({ rejected }) => (rejected ? badge(count(rejected), "warn") : h("span", { class: "none" }, "0")) },
    ].filter(Boolean),
  });
}

/// A table of whatever plain fields the rows have.
function generic(rows, caption, main) {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((name) => name !== main && rows.some((row) => row[name] !== null && typeof row[name] !== "object"));
  const cell = (value) => {
    if (value === null || value === undefined || value === "") return "–";
    if (typeof value === "number") return count(value);
    if (typeof value === "boolean") return t(value ? "yes" : "no");
    if (/^\d{4}-\d\d-\d\dT/.test(value)) return time(value);
    return ["up", "down", "unknown", "maintenance"].includes(value) ? badge(named("state", value), tone(value)) : foreign(value);
  };
  return table({
    caption,
    rows,
    keyOf: (row) => row[main],
    columns: [{ label: t("column.name"), main: true, cell: (row) => foreign(row[main]) }, ...names.map((name) => ({ label: named("status.column", name), number: rows.every((row) => typeof row[name] === "number"), cell: (row) => cell(row[name]) }))],
  });
}
