"""Panels: each function makes one, of a type that Grafana 9.3 and later have. Titles, descriptions and units are required."""

from queries import named as shown

GREEN, ORANGE, RED, BLUE, GREY, PURPLE, YELLOW = "green", "orange", "red", "blue", "#8e8e8e", "purple", "#EAB839"
# Labels that some requests have no value for.
MAY_BE_BLANK = {"gateway", "route", "provider", "model", "consumer"}
NEWLINE, INDENTED = "\n", "\n  "
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
# A series' name ends in its currency, which gives it its sign.
SIGNS = {"USD": "currencyUSD", "EUR": "currencyEUR", "GBP": "currencyGBP", "CNY": "currencyJPY", "JPY": "currencyJPY"}


def query(expression, legend="", *, instant=False, table=False, heatmap=False, exemplar=False, ref=None, hidden=False):
    """One query of a panel; the letter is given by its place unless `ref` is."""
    made = {
        "datasource": DATASOURCE,
        "editorMode": "code",
        "expr": expression,
        "format": "heatmap" if heatmap else "table" if table else "time_series",
        "instant": instant,
        "legendFormat": legend or "__auto",
        "range": not instant,
        "refId": ref or "",
    }
    if exemplar:
        made["exemplar"] = True
    if hidden:
        made["hide"] = True
    return made


def steps(*pairs):
    """Thresholds: the first pair's value is None, for all below the second."""
    return {"mode": "absolute", "steps": [{"color": color, "value": value} for value, color in pairs]}


PLAIN = steps((None, GREEN))
NEUTRAL = steps((None, BLUE))
ANY_IS_BAD = steps((None, GREEN), (1e-9, RED))
ANY_IS_ODD = steps((None, GREEN), (1e-9, ORANGE))


def values(**names):
    """Mapping of numbers to words: `values(_1=("up", GREEN))`."""
    options = {
        key.lstrip("_"): {"color": color, "index": index, "text": text}
        for index, (key, (text, color)) in enumerate(names.items())
    }
    return [{"type": "value", "options": options}]


def override(name, **properties):
    """Properties for one field; `name` between slashes is a regular expression. `__` stands for a dot."""
    matcher = {"id": "byRegexp" if name.startswith("/") else "byName", "options": name}
    return {
        "matcher": matcher,
        "properties": [{"id": key.replace("__", "."), "value": value} for key, value in properties.items()],
    }


def color(name, fixed):
    return override(name, color={"mode": "fixed", "fixedColor": fixed})


def reasons():
    """The colour of each reason of a failed request: warm where the service is to blame."""
    colors = {"upstream": RED, "timeout": ORANGE, "gateway": PURPLE, "rate_limited": YELLOW, "client": BLUE, "disconnect": GREY}
    return [color(reason, fixed) for reason, fixed in colors.items()]


def signs():
    """The sign of each currency for the series whose name holds its code; others are plain numbers."""
    return [override(f"/\\b{code}\\b/", unit=unit) for code, unit in SIGNS.items()]


def link(title, path):
    """A link of a series or cell into tokentail's web page; the chosen time range goes along."""
    period = "since=${__from:date:iso}&until=${__to:date:iso}"
    return {"title": title, "url": "${web}" + path + ("&" if "?" in path else "?") + period, "targetBlank": True}


def _panel(kind, title, description, queries, *, width, height, unit, thresholds=PLAIN, decimals=None, minimum=None,
           maximum=None, mappings=(), overrides=(), links=(), empty=None, custom=None, options=None, color_mode=None,
           time_from=None, transformations=(), interval=None, data_points=None):
    queries = [queries] if isinstance(queries, dict) else list(queries)
    for letter, made in zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", queries, strict=False):
        made["refId"] = made["refId"] or letter
    defaults = {"color": {"mode": color_mode or "thresholds"}, "mappings": list(mappings), "thresholds": thresholds, "unit": unit}
    for key, value in (("decimals", decimals), ("min", minimum), ("max", maximum), ("noValue", empty), ("custom", custom)):
        if value is not None:
            defaults[key] = value
    if links:
        defaults["links"] = list(links)
    panel = {
        "datasource": DATASOURCE,
        "description": description,
        "fieldConfig": {"defaults": defaults, "overrides": list(overrides)},
        "gridPos": {"h": height, "w": width, "x": 0, "y": 0},
        "options": options or {},
        "targets": queries,
        "title": title,
        "type": kind,
    }
    for key, value in (("timeFrom", time_from), ("interval", interval), ("maxDataPoints", data_points)):
        if value is not None:
            panel[key] = value
    if transformations:
        panel["transformations"] = list(transformations)
    return panel


def stat(title, description, queries, *, unit, width=6, height=4, spark=False, named=False, fold="lastNotNull", **more):
    """One number, or one for each series; with `spark` its course behind it."""
    queries = [queries] if isinstance(queries, dict) else list(queries)
    if not spark:
        queries = [{**made, "instant": True, "range": False} for made in queries]
    options = {
        "colorMode": "value",
        "graphMode": "area" if spark else "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "reduceOptions": {"calcs": [fold], "fields": "", "values": False},
        "textMode": "value_and_name" if named else "value",
    }
    return _panel("stat", title, description, queries, unit=unit, width=width, height=height, options=options, **more)


def _legend(calcs, place):
    return {"calcs": list(calcs), "displayMode": "table" if calcs else "list", "placement": place, "showLegend": True}


def timeseries(title, description, queries, *, unit, width=12, height=8, stacked=False, bars=False, calcs=(),
               place="bottom", line=None, minimum=0, points=None, **more):
    """Curves over time; `stacked` as areas, `bars` for amounts in an interval. With `line` the thresholds are drawn."""
    custom = {
        "axisPlacement": "auto",
        "drawStyle": "bars" if bars else "line",
        "fillOpacity": 60 if bars else 25 if stacked else 0,
        "lineInterpolation": "linear",
        "lineWidth": 1,
        "pointSize": 4,
        "showPoints": points or "never",
        "spanNulls": False,
        "stacking": {"group": "A", "mode": "normal" if stacked else "none"},
        "thresholdsStyle": {"mode": line or "off"},
    }
    options = {"legend": _legend(calcs, place), "tooltip": {"mode": "multi", "sort": "desc"}}
    more["overrides"] = [*more.pop("overrides", ()), color("other", GREY)]
    return _panel("timeseries", title, description, queries, unit=unit, width=width, height=height, custom=custom,
                  options=options, minimum=minimum, color_mode="palette-classic", **more)


def bars(title, description, queries, *, unit, width=8, height=8, **more):
    """A bar for each series, the largest first."""
    queries = [queries] if isinstance(queries, dict) else list(queries)
    queries = [{**made, "expr": f"sort_desc(\n  {made['expr'].replace(NEWLINE, INDENTED)}\n)", "instant": True, "range": False}
               for made in queries]
    options = {
        "displayMode": "gradient",
        "minVizHeight": 10,
        "minVizWidth": 0,
        "orientation": "horizontal",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "showUnfilled": True,
    }
    return _panel("bargauge", title, description, queries, unit=unit, width=width, height=height, options=options,
                  minimum=more.pop("minimum", 0), **more)


def heatmap(title, description, expression, *, unit, width=12, height=8, exemplar=False):
    """How often each bucket of a histogram was hit over time; exemplars are points that lead to traces."""
    options = {
        "calculate": False,
        "cellGap": 1,
        "color": {"exponent": 0.5, "fill": "dark-orange", "mode": "scheme", "reverse": False, "scale": "exponential",
                  "scheme": "Oranges", "steps": 64},
        "exemplars": {"color": "rgba(20,110,220,0.8)"},
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "tooltip": {"show": True, "yHistogram": False},
        "yAxis": {"axisPlacement": "left", "reverse": False, "unit": unit},
    }
    custom = {"hideFrom": {"legend": False, "tooltip": False, "viz": False}, "scaleDistribution": {"type": "linear"}}
    asked = query(expression, "{{le}}", heatmap=True, exemplar=exemplar)
    return _panel("heatmap", title, description, asked, unit="short", width=width, height=height, options=options,
                  custom=custom, data_points=60)


def timeline(title, description, queries, *, mappings, width=24, height=6, **more):
    """Which state each series is in over time."""
    custom = {"fillOpacity": 80, "lineWidth": 0}
    options = {
        "alignValue": "center",
        "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": True},
        "mergeValues": True,
        "rowHeight": 0.8,
        "showValue": "never",
        "tooltip": {"mode": "single", "sort": "none"},
    }
    return _panel("state-timeline", title, description, queries, unit="none", width=width, height=height, custom=custom,
                  options=options, mappings=mappings, **more)


def table(title, description, labels, columns, *, width=24, height=8, sort=None, overrides=(), more_links=None, **more):
    """A row for each value of `labels` (label → header) and a column for each of `columns` (header, query, properties)."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    blank = [label for label in labels if label in MAY_BE_BLANK]
    queries = [query(shown(expression, *blank), instant=True, table=True, ref=letter)
               for letter, (_, expression, _) in zip(letters, columns, strict=False)]
    single = len(columns) == 1
    renamed = {("Value" if single else f"Value #{letter}"): header for letter, (header, *_) in zip(letters, columns, strict=False)}
    order = [*labels, *renamed]
    transformations = [] if single else [{"id": "merge", "options": {}}]
    transformations.append(
        {
            "id": "organize",
            "options": {
                "excludeByName": {"Time": True},
                "indexByName": {name: index for index, name in enumerate(order)},
                "renameByName": {**labels, **renamed},
            },
        }
    )
    made = [override(header, **properties) for header, _, properties in columns if properties]
    made += [override(labels[label], links=[target]) for label, target in (more_links or {}).items()]
    options = {"showHeader": True, "sortBy": [{"desc": True, "displayName": sort}] if sort else []}
    custom = {"align": "auto", "displayMode": "auto", "inspect": False}
    return _panel("table", title, description, queries, unit="locale", width=width, height=height, custom=custom,
                  options=options, overrides=[*made, *overrides], transformations=transformations, **more)


# Cells of a table with a bar, or with a coloured ground.
BAR = {"custom__displayMode": "gradient-gauge"}
GROUND = {"custom__displayMode": "color-background"}
