"""A board: rows of panels laid out from left to right, with the variables that its queries use."""

import json

# Grafana 9.3 writes this version, and later ones bring it up to theirs when they load it.
SCHEMA_VERSION = 37
PROMETHEUS = {"type": "prometheus", "uid": "${datasource}"}
# Some request metric that has every label, so that variables offer what there is.
REQUESTS = "tokentail_requests_total"
CHOSEN = 'job=~"$job", instance=~"$instance"'
# The part of a container's name by which those of the gateway, the chat service and tokentail are known.
CONTAINERS = ".*(gateway|chat|tokentail).*"


def _query(name, label, expression, *, everything=".*", description=""):
    return {
        "allValue": everything,
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "datasource": PROMETHEUS,
        "description": description,
        "hide": 0,
        "includeAll": True,
        "label": label,
        "multi": True,
        "name": name,
        "options": [],
        "query": {"query": expression, "refId": f"variable-{name}"},
        "refresh": 2,
        "regex": "",
        "skipUrlSync": False,
        "sort": 1,
        "type": "query",
    }


def _custom(name, label, values, description):
    options = [{"selected": index == 0, "text": value, "value": value} for index, value in enumerate(values)]
    return {
        "current": options[0],
        "description": description,
        "hide": 0,
        "includeAll": False,
        "label": label,
        "multi": False,
        "name": name,
        "options": options,
        "query": ",".join(values),
        "skipUrlSync": False,
        "type": "custom",
    }


def _text(name, label, value, description, hide=0):
    option = {"selected": True, "text": value, "value": value}
    return {
        "current": option,
        "description": description,
        "hide": hide,
        "label": label,
        "name": name,
        "options": [option],
        "query": value,
        "skipUrlSync": False,
        "type": "textbox",
    }


def variables():
    """All variables that a board may have, in the order in which they are shown."""
    datasource = {
        "description": "The Prometheus that scrapes tokentail.",
        "hide": 0,
        "includeAll": False,
        "label": "Data source",
        "multi": False,
        "name": "datasource",
        "options": [],
        "query": "prometheus",
        "refresh": 1,
        "regex": "",
        "skipUrlSync": False,
        "type": "datasource",
    }

    def of_requests(label, *narrower):
        matchers = ", ".join([CHOSEN, *(f'{other}=~"${other}"' for other in narrower)])
        return _query(label, label.capitalize(), f"label_values({REQUESTS}{{{matchers}}}, {label})")

    return [
        datasource,
        _query("job", "Job", "label_values(tokentail_build_info, job)", everything=".+"),
        _query("instance", "Instance", 'label_values(tokentail_build_info{job=~"$job"}, instance)', everything=".+"),
        of_requests("gateway"),
        of_requests("provider", "gateway"),
        of_requests("model", "gateway", "provider"),
        of_requests("route", "gateway"),
        of_requests("consumer", "gateway"),
        _query("currency", "Currency", f"label_values(tokentail_cost_total{{{CHOSEN}}}, currency)"),
        _query("target", "Target", f"label_values(tokentail_target_up{{{CHOSEN}}}, target)"),
        _custom("top", "Largest", ["8", "4", "16", "32"], "How many are drawn on their own; the rest is summed up as other."),
        _text("container", "Containers", CONTAINERS, "Regular expression of the containers whose memory is watched."),
        _custom("utc_offset", "Hours from UTC", ["0", *(str(hour) for hour in range(-11, 15) if hour)],
                "Moves the hours of the heat map into your time zone."),
        _text("web", "Web page", "http://127.0.0.1:13210",
              "Where tokentail's own page is, as you reach it; links of the boards begin with it."),
    ]


def annotations():
    """Outages as tokentail settles them, and alerts that fire."""
    builtin = {
        "builtIn": 1,
        "datasource": {"type": "grafana", "uid": "-- Grafana --"},
        "enable": True,
        "hide": True,
        "iconColor": "rgba(0, 211, 255, 1)",
        "name": "Annotations & Alerts",
        "type": "dashboard",
    }

    def prometheus(name, expression, title, text, colour, tags):
        return {
            "datasource": PROMETHEUS,
            "enable": True,
            "expr": expression,
            "hide": False,
            "iconColor": colour,
            "name": name,
            "step": "30s",
            "tagKeys": tags,
            "textFormat": text,
            "titleFormat": title,
        }

    down = f"max by (target) (tokentail_target_up{{{CHOSEN}}}) == 0"
    firing = 'ALERTS{alertname=~"Tokentail.+", alertname!="TokentailWatchdog", alertstate="firing", severity!="info"}'
    return [
        builtin,
        prometheus("Outages", down, "{{target}} is down", "Three looks in a row failed.", "red", "target"),
        prometheus("Alerts", firing, "{{alertname}}", "{{severity}}", "orange", "severity"),
    ]


class Board:
    """Collects rows and becomes the JSON that Grafana loads."""

    def __init__(self, uid, title, description, *, since="now-24h", page="/", traces=False):
        self.uid, self.title, self.description, self.since = uid, title, description, since
        self.panels, self.page, self.traces = [], page, traces
        self._number = self._y = 0

    def row(self, title, panels, *, repeat=None):
        """A row with a heading (none where the title is empty); with `repeat` once for each value of a variable."""
        if title:
            heading = {"collapsed": False, "gridPos": {"h": 1, "w": 24, "x": 0, "y": self._y}, "id": self._next(),
                       "panels": [], "title": title, "type": "row"}
            if repeat:
                heading["repeat"] = repeat
            self.panels.append(heading)
            self._y += 1
        x = tallest = 0
        for panel in panels:
            place = panel["gridPos"]
            if x + place["w"] > 24:
                self._y, x, tallest = self._y + tallest, 0, 0
            place["x"], place["y"] = x, self._y
            x, tallest = x + place["w"], max(tallest, place["h"])
            self.panels.append({"id": self._next(), **panel})
        self._y += tallest

    def _next(self):
        self._number += 1
        return self._number

    def links(self):
        others = {"asDropdown": False, "icon": "external link", "includeVars": True, "keepTime": True,
                  "tags": ["tokentail"], "targetBlank": False, "title": "tokentail", "tooltip": "", "type": "dashboards", "url": ""}
        page = {"asDropdown": False, "icon": "external link", "includeVars": False, "keepTime": False, "tags": [],
                "targetBlank": True, "title": "Web page", "tooltip": "Single sessions and requests, on tokentail's own page",
                "type": "link", "url": "${web}" + self.page}
        made = [others, page]
        if self.traces:
            search = {"datasource": "tempo", "queries": [{"refId": "A", "queryType": "traceql", "limit": 20, "query": "{ resource.service.name = \"tokentail\" }"}], "range": {"from": "now-1h", "to": "now"}}
            made.append({**page, "title": "Traces", "tooltip": "Sessions as traces, in the Tempo that is provisioned beside the boards",
                         "url": "/explore?left=" + _escaped(json.dumps(search, separators=(",", ":")))})
        return made

    def document(self):
        text = json.dumps([self.panels, self.links()])
        every = variables()
        wanted = {"datasource", "job", "instance"} | {
            v["name"] for v in every if f"${v['name']}" in text or f"${{{v['name']}}}" in text or f'"repeat": "{v["name"]}"' in text
        }
        # A variable may be narrowed by another one, which is then there as well.
        for variable in reversed(every):
            if variable["name"] in wanted and variable["type"] == "query":
                wanted |= {v["name"] for v in every if f"${v['name']}\"" in variable["query"]["query"]}
        return {
            "annotations": {"list": annotations()},
            "description": self.description,
            "editable": False,
            "fiscalYearStartMonth": 0,
            "graphTooltip": 1,
            "links": self.links(),
            "liveNow": False,
            "panels": self.panels,
            "refresh": "30s",
            "schemaVersion": SCHEMA_VERSION,
            "style": "dark",
            "tags": ["tokentail", "llm"],
            "templating": {"list": [variable for variable in every if variable["name"] in wanted]},
            "time": {"from": self.since, "to": "now"},
            "timezone": "",
            "title": self.title,
            "uid": self.uid,
            "version": 1,
            "weekStart": "",
        }


def _escaped(text):
    from urllib.parse import quote

    return quote(text, safe="")
