"""Panels as SVG and HTML: a plain likeness of what Grafana draws from the same JSON and the same answers."""

import datetime
import html
import itertools
import math
import re

PALETTE = ["#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9", "#c4a55a", "#37872d", "#6ed0e0", "#e02f44",
           "#a352cc", "#fade2a", "#1f78c1", "#96d98d", "#ffb357", "#ca95e5"]
COLORS = {"green": "#73bf69", "red": "#f2495c", "orange": "#ff9830", "blue": "#5794f2", "purple": "#b877d9", "yellow": "#fade2a",
          "transparent": "none"}
TEXT, FAINT, GRID = "#ccccdc", "#8e8e99", "#2c3038"


def plain(color):
    return COLORS.get(color, color)


def safe(text):
    return html.escape(str(text))


class Field:
    """The settings of one series or column: the panel's defaults with the overrides that fit its name."""

    def __init__(self, panel, name):
        defaults = panel["fieldConfig"]["defaults"]
        self.name, self.custom, self.mode = name, dict(defaults.get("custom", {})), defaults["color"]["mode"]
        self.settings = {key: value for key, value in defaults.items() if key != "custom"}
        self.fixed = None
        for entry in panel["fieldConfig"]["overrides"]:
            wanted = entry["matcher"]["options"]
            fits = re.search(wanted.strip("/"), name) if entry["matcher"]["id"] == "byRegexp" else wanted == name
            for made in entry["properties"] if fits else ():
                if made["id"] == "color":
                    self.fixed = made["value"]["fixedColor"]
                elif made["id"].startswith("custom."):
                    self.custom[made["id"][7:]] = made["value"]
                else:
                    self.settings[made["id"]] = made["value"]

    def __getitem__(self, key):
        return self.settings.get(key)

    def color_of(self, value, largest=None):
        """The colour that the thresholds give a value."""
        if value is None or math.isnan(value):
            return FAINT
        found = "green"
        if self["thresholds"]["mode"] == "percentage":
            value = 100 * value / (largest or 1)
        for step in self["thresholds"]["steps"]:
            if step["value"] is None or value >= step["value"]:
                found = step["color"]
        for mapping in self["mappings"] or ():
            text = mapping["options"].get(f"{value:g}")
            found = text["color"] if text and text.get("color") else found
        return plain(found)

    def text(self, value):
        for mapping in self["mappings"] or ():
            if f"{value:g}" in mapping["options"]:
                return mapping["options"][f"{value:g}"]["text"]
        return formatted(value, self["unit"], self["decimals"])


def scaled(value, sizes, names, decimals):
    size, index = abs(value), 0
    while index < len(names) - 1 and size >= sizes:
        size, value, index = size / sizes, value / sizes, index + 1
    return number(value, decimals if index else decimals) + names[index]


def number(value, decimals):
    if decimals is None:
        decimals = 0 if value == int(value) else max(0, min(3, 2 - int(math.floor(math.log10(abs(value) or 1)))))
    text = f"{value:,.{decimals}f}"
    return text


def formatted(value, unit, decimals=None):
    """A value with its unit, about as Grafana writes it."""
    if value is None or math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Inf"
    if unit == "percentunit":
        return number(100 * value, decimals if decimals is not None else 1) + " %"
    if unit == "s":
        size = abs(value)
        for limit, factor, name in ((1e-3, 1e-6, " µs"), (1, 1e-3, " ms"), (60, 1, " s"), (3600, 60, " min"), (86400, 3600, " h"), (math.inf, 86400, " d")):
            if size < limit or limit == math.inf:
                return number(value / factor, decimals) + name if value else "0 s"
    if unit == "bytes":
        return scaled(value, 1024, [" B", " KiB", " MiB", " GiB", " TiB"], decimals)
    if unit in ("short", "reqps"):
        return scaled(value, 1000, ["", " K", " Mil", " Bil"], decimals) + (" req/s" if unit == "reqps" else "")
    if unit and unit.startswith("currency"):
        return {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}[unit[8:]] + scaled(value, 1000, ["", "K", "M"], decimals)
    if unit == "locale":
        return f"{value:,.{decimals}f}" if decimals is not None else number(value, None)
    if unit == "dateTimeAsIso":
        return f"{datetime.datetime.fromtimestamp(value / 1000, datetime.timezone.utc):%Y-%m-%d}"
    return number(value, decimals)


def nice(low, high, count=4):
    """Ends and steps of an axis."""
    if high <= low:
        high = low + (abs(low) or 1)
    rough = (high - low) / count
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step, step


def clock(at, long):
    moment = datetime.datetime.fromtimestamp(at, datetime.timezone.utc)
    return f"{moment:%d %b %H:%M}" if long else f"{moment:%H:%M}"


def axes(field, low, high, start, end, left, top, width, height, step=None):
    out, value = [], low
    step = step or (high - low) / 4
    decimals = None
    while value <= high + step / 1e6:
        y = top + height - (value - low) / (high - low) * height
        label = field.text(0 if abs(value) < step / 1e6 else value) if not field["mappings"] else number(value, decimals)
        out.append(f'<line x1="{left}" x2="{left + width}" y1="{y:.1f}" y2="{y:.1f}" stroke="{GRID}"/>'
                   f'<text x="{left - 6}" y="{y + 3.5:.1f}" text-anchor="end">{safe(label)}</text>')
        value += step
    for index in range(1, 6):
        at = start + (end - start) * index / 6
        x = left + width * index / 6
        out.append(f'<text x="{x:.0f}" y="{top + height + 15}" text-anchor="middle">{clock(at, end - start > 90000)}</text>')
    return out


def segments(points, gap):
    """Runs of points without a hole: nothing is drawn where there is nothing."""
    run, last = [], None
    for at, value in points:
        if math.isnan(value) or math.isinf(value) or (last is not None and at - last > gap):
            if run:
                yield run
            run = []
        if not (math.isnan(value) or math.isinf(value)):
            run.append((at, value))
            last = at
    if run:
        yield run


CALCS = {"mean": lambda values: sum(values) / len(values), "max": max, "min": min, "lastNotNull": lambda values: values[-1]}
TITLES = {"lastNotNull": "Last", "mean": "Mean", "max": "Max", "min": "Min"}


def timeseries(panel, series, start, end, step, width, height):
    options, shown = panel["options"], []
    for name, points in series:
        values = [value for _, value in points if not math.isnan(value) and not math.isinf(value)]
        if values:
            shown.append((name, points, values, Field(panel, name)))
    if not shown:
        return nothing(panel, width, height)
    place, calcs = options["legend"]["placement"], options["legend"]["calcs"]
    legend_width = min(330, width * 0.4) if place == "right" else 0
    colors = [plain(field.fixed) if field.fixed else PALETTE[i % len(PALETTE)] for i, (_, _, _, field) in enumerate(shown)]
    per_line = max(1, int(width / (max(len(name) for name, *_ in shown) * 6.3 + 26)))
    lines = math.ceil(len(shown) / per_line) if place == "bottom" else 0
    left, top, bottom = 62, 8, 22 + lines * 16
    right = 60 if any(field.custom.get("axisPlacement") == "right" for *_, field in shown) else 8
    w, h = width - legend_width - left - right, height - top - bottom
    stacked = panel["fieldConfig"]["defaults"]["custom"]["stacking"]["mode"] == "normal"
    out, floor = [], {}
    groups = {}
    drawn = []
    for entry in shown:
        name, points, values, field = entry
        if stacked:
            summed = []
            for at, value in points:
                base = floor.get(at, 0.0)
                value = 0.0 if math.isnan(value) else value
                floor[at] = base + value
                summed.append((at, base + value, base))
            drawn.append(summed)
            groups.setdefault("left", []).extend(y for _, y, _ in summed)
        else:
            drawn.append([(at, value, 0.0) for at, value in points])
            groups.setdefault(field.custom.get("axisPlacement") if field.custom.get("axisPlacement") == "right" else "left", []).extend(values)
    scales = {}
    for side, values in groups.items():
        field = next(f for *_, f in shown if (f.custom.get("axisPlacement") == "right") == (side == "right"))
        low = field["min"] if field["min"] is not None else min(values)
        high = field["max"] if field["max"] is not None else max(max(values), 0)
        if panel["fieldConfig"]["defaults"]["custom"]["thresholdsStyle"]["mode"] != "off":
            limits = [s["value"] for s in field["thresholds"]["steps"] if s["value"] is not None]
            high = max([high, *(limit for limit in limits if limit < 3 * max(high, 1e-9))])
            low = min([low, *(limit for limit in limits if field["min"] is None)])
        scales[side] = (*nice(low, high), field)
    for side, (low, high, size, field) in scales.items():
        if side == "left":
            out += axes(field, low, high, start, end, left, top, w, h, size)
        else:
            for index in range(int(round((high - low) / size)) + 1):
                y = top + h - index * size / (high - low) * h
                out.append(f'<text x="{left + w + 6}" y="{y + 3.5:.1f}">{safe(field.text(low + index * size))}</text>')
    if "left" not in scales:
        scales["left"] = next(iter(scales.values()))
    order = list(reversed(range(len(shown)))) if stacked else list(range(len(shown)))
    for i in order:
        name, _, values, field = shown[i]
        low, high, *_ = scales["right" if field.custom.get("axisPlacement") == "right" and "right" in scales else "left"]
        x = lambda at: left + (at - start) / (end - start) * w  # noqa: E731
        y = lambda value, low=low, high=high: top + h - (min(max(value, low), high) - low) / (high - low) * h  # noqa: E731
        if panel["fieldConfig"]["defaults"]["custom"]["drawStyle"] == "bars":
            thick = max(1.0, w * step / (end - start) * 0.8)
            out += [f'<rect x="{x(at) - thick / 2:.1f}" y="{y(value):.1f}" width="{thick:.1f}" height="{max(0, y(base) - y(value)):.1f}" fill="{colors[i]}" fill-opacity=".75"/>'
                    for at, value, base in drawn[i] if value > base]
            continue
        bases = {at: base for at, _, base in drawn[i]}
        for run in segments([(at, value) for at, value, _ in drawn[i]], step * 2.5):
            path = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in run)
            under = " ".join(f"{x(at):.1f},{y(bases[at]):.1f}" for at, _ in reversed(run))
            opacity = 0.35 if stacked else 0
            if field.custom.get("axisPlacement") != "right":
                out.append(f'<polygon points="{path} {under}" fill="{colors[i]}" fill-opacity="{opacity}"/>')
            dash = ' stroke-dasharray="6 4"' if field.custom.get("lineStyle") else ""
            out.append(f'<polyline points="{path}" fill="none" stroke="{colors[i]}" stroke-width="1.3"{dash}/>')
            if len(run) == 1:
                out.append(f'<circle cx="{x(run[0][0]):.1f}" cy="{y(run[0][1]):.1f}" r="1.5" fill="{colors[i]}"/>')
    if panel["fieldConfig"]["defaults"]["custom"]["thresholdsStyle"]["mode"] != "off":
        low, high, _, field = scales["left"]
        for limit in field["thresholds"]["steps"]:
            red = next((plain(s["color"]) for s in field["thresholds"]["steps"] if s["color"] != "transparent"), "red")
            if limit["value"] is not None and low <= limit["value"] <= high:
                y = top + h - (limit["value"] - low) / (high - low) * h
                out.append(f'<line x1="{left}" x2="{left + w}" y1="{y:.1f}" y2="{y:.1f}" stroke="{red}" stroke-dasharray="8 5"/>')
    # The legend: a list below, or a table to the right.
    for i, (name, _, values, field) in enumerate(shown):
        name = field["displayName"] or name
        if place == "bottom":
            x, y = 10 + (i % per_line) * (width - 20) / per_line, height - lines * 16 + (i // per_line) * 16 + 8
            out.append(f'<rect x="{x:.0f}" y="{y - 4:.0f}" width="12" height="3" fill="{colors[i]}"/><text x="{x + 17:.0f}" y="{y:.0f}" fill="{TEXT}">{safe(name)}</text>')
            continue
        x, y = left + w + right + 6, top + 30 + i * 17
        if y > height - 4:
            continue
        columns = [f'<text x="{width - 8 - (len(calcs) - 1 - k) * 72}" y="{y}" text-anchor="end" fill="{TEXT}">{safe(field.text(CALCS[calc](values)))}</text>' for k, calc in enumerate(calcs)]
        room = int((legend_width - 30 - len(calcs) * 72) / 6.2)
        cut = name if len(name) <= room else name[: room - 1] + "…"
        out.append(f'<rect x="{x}" y="{y - 6}" width="12" height="3" fill="{colors[i]}"/><text x="{x + 17}" y="{y}" fill="{TEXT}">{safe(cut)}</text>' + "".join(columns))
    if place == "right":
        out += [f'<text x="{width - 8 - (len(calcs) - 1 - k) * 72}" y="{top + 11}" text-anchor="end" fill="#6e9fff">{TITLES[calc]}</text>' for k, calc in enumerate(calcs)]
    return svg(out, width, height)


def svg(parts, width, height):
    return f'<svg width="{width:.0f}" height="{height:.0f}" font-size="11" fill="{FAINT}">{"".join(parts)}</svg>'


def nothing(panel, width, height):
    text = panel["fieldConfig"]["defaults"].get("noValue", "No data")
    return f'<div class="none" style="height:{height:.0f}px">{safe(text)}</div>'


def stat(panel, series, start, end, step, width, height):
    named, spark = panel["options"]["textMode"] == "value_and_name", panel["options"]["graphMode"] == "area"
    rows = [(name, points) for name, points in series if points and not math.isnan(points[-1][1])]
    if not rows:
        return f'<div class="stat" style="height:{height:.0f}px"><b style="font-size:20px;color:{FAINT}">{safe(panel["fieldConfig"]["defaults"].get("noValue", "No data"))}</b></div>'
    out = []
    texts = [(name, Field(panel, name), points) for name, points in rows]
    longest = max(len(f.text(p[-1][1])) for _, f, p in texts)
    across = 1 if not named else min(len(texts), max(1, int(width // 85)))
    down = math.ceil(len(texts) / across)
    size = min(40, width / across / max(4, longest) * 1.55, height / down * (0.42 if named else 0.5))
    for name, field, points in texts:
        value = points[-1][1]
        label = f'<span>{safe(field["displayName"] or name)}</span>' if named else ""
        out.append(f'<div style="flex:1 0 {100 / across - 1:.0f}%">{label}<b style="color:{field.color_of(value)};font-size:{size:.0f}px">{safe(field.text(value))}</b></div>')
    curve = ""
    if spark and len(rows[0][1]) > 1:
        points = [(at, v) for at, v in rows[0][1] if not math.isnan(v)]
        high = max(v for _, v in points) or 1
        path = " ".join(f"{(at - start) / (end - start) * width:.1f},{height - v / high * height * 0.4:.1f}" for at, v in points)
        color = texts[0][1].color_of(points[-1][1])
        curve = f'<svg class="spark" width="{width:.0f}" height="{height:.0f}"><polygon points="0,{height} {path} {width},{height}" fill="{color}" fill-opacity=".15"/><polyline points="{path}" fill="none" stroke="{color}" stroke-opacity=".7"/></svg>'
    return f'<div class="stat" style="height:{height:.0f}px">{curve}{"".join(out)}</div>'


def bargauge(panel, series, start, end, step, width, height):
    rows = [(name, points[-1][1]) for name, points in series if points and not math.isnan(points[-1][1])]
    if not rows:
        return nothing(panel, width, height)
    high = panel["fieldConfig"]["defaults"].get("max") or max(value for _, value in rows) or 1
    each, out = min(46, height / len(rows)), []
    label = min(0.4 * width, 14 + 6.6 * max(len(name) for name, _ in rows))
    for index, (name, value) in enumerate(rows):
        field = Field(panel, name)
        y, long = index * each, max(0.0, min(1, value / high)) * (width - label - 90)
        room = int((label - 10) / 6)
        cut = name if len(name) <= room else name[: room - 1] + "…"
        out.append(f'<text x="{label - 8:.0f}" y="{y + each / 2 + 4:.0f}" text-anchor="end" fill="{TEXT}">{safe(cut)}</text>'
                   f'<rect x="{label:.0f}" y="{y + 3:.1f}" width="{width - label - 90:.0f}" height="{each - 6:.1f}" fill="#22252b"/>'
                   f'<rect x="{label:.0f}" y="{y + 3:.1f}" width="{long:.1f}" height="{each - 6:.1f}" fill="{field.color_of(value)}" fill-opacity=".65"/>'
                   f'<text x="{width - 82:.0f}" y="{y + each / 2 + 5:.0f}" font-size="13" fill="{field.color_of(value)}">{safe(field.text(value))}</text>')
    return svg(out, width, height)


def heatmap(panel, series, start, end, step, width, height):
    """Prometheus's cumulative buckets, each less the one below it."""
    buckets = sorted(((float(labels["le"]), dict(points)) for labels, points in series), key=lambda row: row[0])
    cells, below = [], {}
    for le, points in buckets:
        cells.append((le, {at: max(0.0, value - below.get(at, 0.0)) for at, value in points.items()}))
        below = points
    used = [i for i, (_, points) in enumerate(cells) if any(v > 1e-9 for v in points.values())]
    if not used:
        return nothing(panel, width, height)
    cells = cells[max(0, used[0] - 1): used[-1] + 2]
    left, top, bottom = 68, 8, 22
    w, h = width - left - 10, height - top - bottom
    most = max(v for _, points in cells for v in points.values())
    field, out = Field(panel, ""), []
    field.settings |= {"unit": panel["options"]["yAxis"]["unit"], "decimals": None}
    tall, wide = h / len(cells), max(1.0, w * step / (end - start))
    for index, (le, points) in enumerate(cells):
        y = top + h - (index + 1) * tall
        if len(cells) < 14 or index % 2 == 0:
            out.append(f'<text x="{left - 6}" y="{y + tall / 2 + 4:.1f}" text-anchor="end">{safe("+Inf" if math.isinf(le) else field.text(le))}</text>')
        for at, value in points.items():
            if value > 1e-9 and at - step >= start - 1:
                share = math.sqrt(value / most)
                out.append(f'<rect x="{left + (at - start) / (end - start) * w - wide:.1f}" y="{y:.1f}" width="{wide - 0.5:.1f}" height="{tall - 0.5:.1f}" fill="rgb({90 + 165 * share:.0f},{40 + 115 * share:.0f},{20 + 60 * share:.0f})"/>')
    for index in range(1, 6):
        out.append(f'<text x="{left + w * index / 6:.0f}" y="{top + h + 15}" text-anchor="middle">{clock(start + (end - start) * index / 6, end - start > 90000)}</text>')
    return svg(out, width, height)


def timeline(panel, series, start, end, step, width, height):
    if not series:
        return nothing(panel, width, height)
    names = panel["fieldConfig"]["defaults"]["mappings"][0]["options"]
    left, top, bottom = 70, 6, 42
    w, h = width - left - 10, height - top - bottom
    tall, out = h / len(series), []
    for index, (name, points) in enumerate(series):
        y = top + index * tall + tall * 0.1
        out.append(f'<text x="{left - 8}" y="{y + tall / 2:.0f}" text-anchor="end" fill="{TEXT}">{safe(name)}</text>')
        for value, run in itertools.groupby(points, key=lambda point: point[1]):
            color, times = plain(names.get(f"{value:g}", {"color": "#333"})["color"]), [at for at, _ in run]
            x = left + (times[0] - start) / (end - start) * w
            long = (times[-1] - times[0] + step) / (end - start) * w
            out.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{min(long, left + w - x):.1f}" height="{tall * 0.8:.1f}" fill="{color}" fill-opacity=".8"/>')
    for index in range(1, 8):
        out.append(f'<text x="{left + w * index / 8:.0f}" y="{top + h + 14}" text-anchor="middle">{clock(start + (end - start) * index / 8, end - start > 90000)}</text>')
    for index, known in enumerate(names.values()):
        out.append(f'<rect x="{left + index * 110}" y="{height - 14}" width="12" height="4" fill="{plain(known["color"])}"/><text x="{left + index * 110 + 17}" y="{height - 9}" fill="{TEXT}">{known["text"]}</text>')
    return svg(out, width, height)


def table(panel, answers, start, end, step, width, height):
    """`answers`: for each query its rows; joined and renamed as the panel's transformations say."""
    changes = {change["id"]: change["options"] for change in panel["transformations"]}
    single = len(answers) == 1
    organize = changes["organize"]
    if "groupingToMatrix" in changes:
        return matrix(panel, answers[0][1], changes, width, height)
    rows = {}
    for letter, found in answers:
        for labels, points in found:
            labels = {key: value for key, value in labels.items() if key != "__name__"}
            rows.setdefault(tuple(sorted(labels.items())), dict(labels))["Value" if single else f"Value #{letter}"] = points[-1][1]
    order = sorted(organize["indexByName"], key=organize["indexByName"].get)
    values = {key for key in order if key.startswith("Value")}
    rows = [row for row in rows.values()]
    if not rows:
        return nothing(panel, width, height)
    headers = {key: organize["renameByName"].get(key, key) for key in order}
    for sort in panel["options"]["sortBy"]:
        key = next(k for k, header in headers.items() if header == sort["displayName"])
        rows.sort(key=lambda row: row.get(key, -math.inf) if not math.isnan(row.get(key, -math.inf)) else -math.inf, reverse=sort["desc"])
    out = ["<table><tr>", *(f'<th class="{"num" if key in values else ""}">{safe(headers[key])}</th>' for key in order), "</tr>"]
    fields = {key: Field(panel, headers[key]) for key in order}
    for row in rows[: max(1, int((height - 30) / 26))]:
        out.append("<tr>")
        for key in order:
            field, value = fields[key], row.get(key)
            if key not in values:
                link = " class=link" if field["links"] else ""
                out.append(f"<td{link}>{safe(value or '')}</td>")
            elif value is None or math.isnan(value):
                out.append("<td></td>")
            else:
                style, mode = "", field.custom.get("displayMode")
                if mode == "color-text":
                    style = f'style="color:{field.color_of(value)}"'
                if mode == "gradient-gauge":
                    high = field["max"] or max(r.get(key, 0) for r in rows) or 1
                    share = max(0, min(100, 100 * value / high))
                    style = f'style="background:linear-gradient(90deg,{field.color_of(value)}99 {share:.0f}%,transparent {share:.0f}%)"'
                out.append(f'<td class="num" {style}>{safe(field.text(value))}</td>')
        out.append("</tr>")
    return f'<div style="height:{height:.0f}px;overflow:hidden">{"".join(out)}</table></div>'


def matrix(panel, found, changes, width, height):
    options = changes["groupingToMatrix"]
    corner = f"{options['rowField']}\\{options['columnField']}"
    cells = {(labels[options["rowField"]], labels[options["columnField"]]): points[-1][1] for labels, points in found}
    if not cells:
        return nothing(panel, width, height)
    order = [key for key in sorted(changes["organize"]["indexByName"], key=changes["organize"]["indexByName"].get) if key != corner]
    columns = [key for key in order if any(column == key for _, column in cells)]
    field, most = Field(panel, "x"), max(cells.values())
    first = Field(panel, corner)
    out = [f"<table class=matrix><tr><th>{safe(first['displayName'] or corner)}</th>", *(f'<th class="mid">{safe(c)}</th>' for c in columns), "</tr>"]
    for row in sorted({row for row, _ in cells}):
        out.append(f"<tr><td>{safe(first.text(float(row)))}</td>")
        for column in columns:
            value = cells.get((row, column))
            ground = f'style="background:{field.color_of(value, most)}"' if value is not None else ""
            out.append(f'<td class="mid" {ground}>{safe(field.text(value)) if value is not None else ""}</td>')
        out.append("</tr>")
    return f'<div style="height:{height:.0f}px;overflow:hidden">{"".join(out)}</table></div>'
