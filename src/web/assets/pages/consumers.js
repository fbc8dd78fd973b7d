// Who uses the gateway.

import { get } from "../api.js";
import { consumerLink, costOfGroup, errors, list } from "../figures.js";
import { count, compact, time } from "../format.js";
import { allTokens } from "../figures.js";
import { badge, empty, section } from "../panel.js";
import { asked, period } from "../period.js";
import { pager, table } from "../table.js";
import { t } from "../words.js";

export default {
  title: () => t("nav.consumers"),
  lead: () => t("consumers.lead"),
  controls: (place) => period(place, "30d", ["24h", "7d", "30d"]),

  load: (place, signal) => get("consumers", { ...asked(place, "30d"), cursor: place.query.get("cursor"), limit: 100 }, signal),

  view(data, place) {
    if (!data.consumers.length) return section(t("nav.consumers"), {}, empty(t("consumers.empty")));
    return section(t("nav.consumers"), {},
      table({
        name: "consumers",
        caption: t("nav.consumers"),
        rows: data.consumers,
        keyOf: ({ consumer }) => consumer,
        columns: [
          { label: t("column.consumer"), main: true, cell: ({ consumer }) => (consumer ? consumerLink(consumer) : t("nameless")) },
          { label: t("column.requests"), number: true, cell: ({ figures }) => count(figures.requests) },
          { label: t("column.errors"), number: true, cell: ({ figures }) => errors(figures) },
          { label: t("column.sessions"), number: true, cell: ({ sessions }) => count(sessions) },
          { label: t("column.tokens"), number: true, cell: ({ figures }) => compact(allTokens(figures.tokens)) },
          { label: t("column.cost"), number: true, cell: ({ figures }) => costOfGroup(figures) },
          { label: t("column.models"), cell: ({ models }) => list(models) },
          { label: t("column.last_seen"), cell: ({ last_seen: last }) => time(last, "minute") },
          { label: t("column.content"), cell: ({ captured }) => badge(t(captured ? "captured" : "not_captured"), captured ? "warn" : null) },
        ],
      }),
      pager(place, data, data.consumers.length));
  },
};
