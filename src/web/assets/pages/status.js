// How tokentail itself is: its logs, where spans go, its ledger.

import { get } from "../api.js";
import { h } from "../dom.js";
import { ago, bytes, count, foreign, length, percent, stamp, time } from "../format.js";
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
        { label: t("column.state"), value: badge(t(data.ready ? "status.ready" : "status.not_ready"), data.ready ? "good" : "bad"), note: data.failure ? foreign(data.failure) : t("status.version", { version: data.version }) },
        ledger ? { id: "kept", label: t("status.requests"), value: count(ledger.requests), note: ledger.first ? t("status.since", { time: stamp(ledger.first, "day") }) : null } : { label: t("status.ledger"), value: t("status.no_ledger") },
        ledger ? { label: t("status.ledger"), value: bytes(ledger.size_bytes), note: ledger.last_commit ? t("status.committed", { ago: ago(ledger.last_commit) }) : null } : null,
        { label: t("status.started"), value: ago(data.started), note: time(data.started, "minute") },
        { label: t("status.config"), value: badge(t(config.successful === false ? "status.config.bad" : "status.config.good"), config.successful === false ? "bad" : "good"), note: config.last_reload ? stamp(config.last_reload, "minute") : null },
      ]),
      section(t("status.sources"), { about: t("status.sources.about") }, data.sources.length ? sourceTable(data.sources) : empty(t("status.no_sources"))),
      section(t("status.probes"), { aside: h("a", { href: "sla" }, t("nav.sla")) }, data.probes.length ? probes(data.probes) : empty(t("status.no_probes"))),
      section(t("status.sinks"), {}, data.sinks.length ? sinks(data.sinks) : empty(t("status.no_sinks"))),
      section(t("status.jobs"), {}, data.jobs.length ? facts(data.jobs.map((job) => [named("job", job.name), [time(job.last_success), h("small", {}, ` ${ago(job.last_success)}`)]])) : empty(t("status.no_jobs"))),
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
  const reasons = (counts, word, tone) => {
    const list = Object.entries(counts ?? {}).filter(([, number]) => number);
    const sum = list.reduce((all, [, number]) => all + number, 0);
    const words = list.map(([reason, number]) => `${word(reason)} ${count(number)}`).join(", ");
    return sum ? [tone ? badge(count(sum), tone) : count(sum), h("div", { class: "dim small" }, words)] : h("span", { class: "none" }, "0");
  };
  return table({
    name: "sources",
    caption: t("status.sources"),
    rows: sources,
    keyOf: ({ name }) => name,
    columns: [
      { label: t("column.source"), main: true, cell: ({ name, path, error }) => [foreign(name), path ? h("div", { class: "dim small" }, foreign(path)) : null, error ? h("div", { class: "bad-text small" }, foreign(error)) : null] },
      { label: t("column.state"), cell: ({ catching_up: behind, lag_bytes: lag }) => (behind ? badge(t("status.catching_up"), "warn") : badge(t(lag ? "status.reading" : "status.current"), "good")) },
      { label: t("column.unread"), number: true, cell: ({ lag_bytes: lag }) => bytes(lag) },
      { label: t("column.last_record"), cell: ({ last_record: last }) => time(last) },
      { label: t("column.lines"), number: true, cell: ({ lines }) => count(lines) },
      { label: t("nav.requests"), number: true, cell: ({ requests }) => count(requests) },
      { label: t("column.skipped"), number: true, cell: ({ skipped }) => reasons(skipped, (reason) => named("skip", reason)) },
      { label: t("column.duplicates"), number: true, cell: ({ duplicates }) => count(duplicates) },
      { label: t("column.rejected"), number: true, cell: ({ rejected }) => reasons(rejected, (reason) => named("reject", reason), "warn") },
    ],
  });
}

function probes(targets) {
  return table({
    name: "probes",
    caption: t("status.probes"),
    rows: targets,
    keyOf: ({ target }) => target,
    columns: [
      { label: t("column.name"), main: true, cell: ({ target }) => foreign(target) },
      { label: t("column.state"), cell: ({ state }) => badge(named("verdict", state), tone(state)) },
      { label: t("sla.availability"), number: true, cell: ({ availability }) => percent(availability) },
      { label: t("sla.coverage"), number: true, cell: ({ coverage }) => percent(coverage) },
      { label: t("sla.budget_left"), number: true, cell: ({ budget_left_seconds: left }) => length(left) },
    ],
  });
}

function sinks(list) {
  const failures = (failed) => Object.entries(failed ?? {}).filter(([, number]) => number).map(([reason, number]) => `${named("failure", reason)} ${count(number)}`).join(", ");
  return table({
    name: "sinks",
    caption: t("status.sinks"),
    rows: list,
    keyOf: ({ name }) => name,
    columns: [
      { label: t("column.name"), main: true, cell: ({ name }) => foreign(name) },
      { label: t("status.pending"), number: true, cell: ({ pending }) => count(pending) },
      { label: t("status.exported"), number: true, cell: ({ exported }) => count(exported) },
      { label: t("column.rejected"), number: true, cell: ({ rejected }) => (rejected ? badge(count(rejected), "warn") : h("span", { class: "none" }, "0")) },
      { label: t("status.expired"), number: true, cell: ({ expired }) => (expired ? badge(count(expired), "warn") : h("span", { class: "none" }, "0")) },
      { label: t("status.failed"), cell: ({ failed }) => failures(failed) || h("span", { class: "none" }, "–") },
    ],
  });
}
