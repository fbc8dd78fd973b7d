"""What Grafana would ask Prometheus for each panel: variables, intervals and repeated rows filled in.

Used by the end-to-end tests and by the previews, which have no Grafana.
"""

import datetime
import json
import math
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "boards"
VARIABLE = re.compile(r"\$(?:\{(\w+)(?::\w+)?\}|(\w+))")
LABEL_VALUES = re.compile(r"label_values\((.*), (\w+)\)", re.DOTALL)
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def documents():
    """The boards, by uid."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


class Refused(Exception):
    """Prometheus does not take a query."""


class Source:
    """A Prometheus that is asked as Grafana's data source asks it."""

    def __init__(self, url, scrape=15):
        self.url, self.scrape = url.rstrip("/"), scrape

    def api(self, path, **query):
        data = urllib.parse.urlencode(query, doseq=True).encode()
        post = path in ("query", "query_range", "series", "query_exemplars")
        address = f"{self.url}/api/v1/{path}" + ("" if post else f"?{data.decode()}")
        try:
            with urllib.request.urlopen(address, data if post else None, timeout=60) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise Refused(f"{json.load(error).get('error')}: {query.get('query')}") from error

    def label_values(self, expression, start, end):
        """`label_values(selector, label)`, in order."""
        selector, label = LABEL_VALUES.fullmatch(expression).groups()
        return sorted(self.api(f"label/{label}/values", **{"match[]": selector, "start": start, "end": end}))


def escaped(value):
    """A value within a regular expression within a string of PromQL, as Grafana writes it."""
    return re.sub(r"[\\$^*{}\[\]'+?.()|]", lambda found: "\\\\" + found[0], value)


class View:
    """A board over a time range, with values for its variables.

    `chosen` is `default` (as it opens: All), or `each` (every value picked by hand; but for provider and model, since
    requests that fail early have neither and only All holds them).
    """

    def __init__(self, document, source, start, end, chosen="default", pixels=1600):
        self.document, self.source, self.start, self.end, self.pixels = document, source, start, end, pixels
        self.values, self.offered = {}, {}
        for variable in document["templating"]["list"]:
            name = variable["name"]
            if variable["type"] == "query":
                # In order: one may be narrowed by those before it.
                self.offered[name] = source.label_values(self.filled(variable["query"]["query"]), start, end)
                everything = "(" + "|".join(map(escaped, self.offered[name])) + ")"
                self.values[name] = variable["allValue"] if chosen == "default" or name in ("provider", "model") else everything
            elif variable["type"] != "datasource":
                self.values[name] = variable["current"]["value"]

    def filled(self, text, **more):
        values = self.values | more

        def value(found):
            name = found[1] or found[2]
            if name.isdigit():
                # A group of a regular expression.
                return found[0]
            if name not in values:
                raise KeyError(f"${name} is no variable of {self.document['uid']}")
            return str(values[name])

        return VARIABLE.sub(value, text)

    def panels(self):
        """(panel, values of its repetition, place): rows that repeat are there once for each value, one below the other."""
        sections, shift = [], 0
        for panel in self.document["panels"]:
            if panel["type"] == "row" or not sections:
                sections.append([])
            sections[-1].append(panel)
        for section in sections:
            repeated = section[0].get("repeat")
            values = [{}]
            if repeated:
                values = [{repeated: value} for value in self.offered[repeated] or [""]]
            height = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in section) - section[0]["gridPos"]["y"]
            for index, scoped in enumerate(values):
                for panel in section:
                    place = dict(panel["gridPos"])
                    place["y"] += shift + index * height
                    yield panel, scoped, place
            shift += height * (len(values) - 1)

    def period(self, panel):
        """Start and end of a panel: its own (`7d`, or `now/d` for today so far) or the board's."""
        own = panel.get("timeFrom")
        if not own:
            return self.start, self.end
        if own == "now/d":
            midnight = datetime.datetime.fromtimestamp(self.end, datetime.timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
            return midnight.timestamp(), self.end
        return self.end - int(own[:-1]) * UNITS[own[-1]], self.end

    def expression(self, panel, target, scoped):
        """The query with everything filled in, and its step in seconds."""
        start, end = self.period(panel)
        points = panel.get("maxDataPoints") or self.pixels * panel["gridPos"]["w"] / 24
        least = panel.get("interval")
        least = int(least[:-1]) * UNITS[least[-1]] if least else self.source.scrape
        step = max(math.ceil((end - start) / points), least)
        rate = max(step + self.source.scrape, 4 * self.source.scrape)
        times = {"__rate_interval": f"{rate}s", "__range": f"{max(1, round(end - start))}s", "__interval": f"{step}s"}
        return self.filled(target["expr"], **times, **scoped), step

    def ask(self, panel, target, scoped):
        """What Prometheus answers: rows of (labels, [(time, value)])."""
        expression, step = self.expression(panel, target, scoped)
        start, end = self.period(panel)
        if target["instant"]:
            rows = self.source.api("query", query=expression, time=end)["result"]
            found = [(row["metric"], [row["value"]]) for row in rows]
        else:
            # Grafana aligns both ends to the step.
            start, end = start - start % step, end - end % step
            rows = self.source.api("query_range", query=expression, start=start, end=end, step=step)["result"]
            found = [(row["metric"], row["values"]) for row in rows]
        return [(labels, [(at, float(value)) for at, value in points]) for labels, points in found]

    def exemplars(self, panel, target, scoped):
        expression, _ = self.expression(panel, target, scoped)
        start, end = self.period(panel)
        return [exemplar for series in self.source.api("query_exemplars", query=expression, start=start, end=end)
                for exemplar in series["exemplars"]]


def legend(target, labels):
    """The name that Grafana gives a series."""
    form = target["legendFormat"]
    if form == "__auto":
        return ", ".join(f"{key}={value}" for key, value in sorted(labels.items()) if key != "__name__") or "Value"
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: labels.get(found[1], ""), form).strip() or "Value"


def now():
    return time.time()
