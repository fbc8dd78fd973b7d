"""PromQL from the catalogue of metrics: what a board's variables mean is written here once.

A selector names a metric and gets a matcher for each variable whose label the metric has. The labels are read from the
README's table, which a test holds against the program; a name that is not there ends the build.
"""

import re
from pathlib import Path

README = Path(__file__).resolve().parents[2] / "README.md"
ROW = re.compile(r"^\| `(?P<name>\w+)` \| (?P<kind>\w+) \| (?P<labels>[^|]*) \|")

# Label → the variable that chooses its values. What logs call `source` is the gateway.
VARIABLES = {
    "gateway": "gateway",
    "source": "gateway",
    "provider": "provider",
    "model": "model",
    "route": "route",
    "consumer": "consumer",
    "currency": "currency",
    "target": "target",
}
SCRAPED = 'job=~"$job", instance=~"$instance"'
# Prometheus's own series of a target: those of the scrape, and no other labels.
OF_THE_SCRAPE = {"up", "scrape_samples_scraped", "scrape_duration_seconds"}

# Request errors that are the service's and not the client's: those that count against availability.
SERVICE_ERRORS = 'reason=~"upstream|timeout|gateway"'
CLIENT_ERRORS = 'reason=~"client|rate_limited|disconnect"'


def catalogue():
    """Name → kind and labels, as the README's table has them."""
    text = README.read_text().split("<!-- metrics: begin -->")[1].split("<!-- metrics: end -->")[0]
    rows = (ROW.match(line) for line in text.splitlines())
    return {row["name"]: (row["kind"], re.findall(r"`(\w+)`", row["labels"])) for row in rows if row}


CATALOGUE = catalogue()


def selector(name, *matchers, ignoring=()):
    """The metric with a matcher for each variable that fits its labels, and those given."""
    if name in OF_THE_SCRAPE:
        return f"{name}{{{', '.join([SCRAPED, *matchers])}}}"
    kind, labels = CATALOGUE.get(name) or CATALOGUE.get(re.sub(r"_(bucket|count|sum)$", "", name), ("", []))
    if name not in CATALOGUE and kind != "histogram":
        raise LookupError(f"{name} is not in the README's table of metrics")
    chosen = [f'{label}=~"${VARIABLES[label]}"' for label in labels if label in VARIABLES and label not in ignoring]
    return f"{name}{{{', '.join([SCRAPED, *chosen, *matchers])}}}"


def _sum(function, name, window, by, matchers, ignoring=()):
    by = f" by ({', '.join(by)})" if by else ""
    return f"sum{by} ({function}({selector(name, *matchers, ignoring=ignoring)}[{window}]))"


def rate(name, *matchers, by=(), ignoring=()):
    """Per second, over the interval that Grafana finds fit for the picture."""
    return _sum("rate", name, "$__rate_interval", by, matchers, ignoring)


def increase(name, *matchers, by=(), window="$__range", ignoring=()):
    """Over the chosen time range."""
    return _sum("increase", name, window, by, matchers, ignoring)


def gauge(name, *matchers, by=(), fold="sum"):
    """The present value of a gauge. Give `max` or `min` for what two instances measure of the same thing."""
    by = f" by ({', '.join(by)})" if by else ""
    return f"{fold}{by} ({selector(name, *matchers)})"


def or_zero(expression, *, without=None, **label):
    """0 where nothing has happened yet; nothing while tokentail is not scraped, since then 0 would be a guess.

    With `label` (one, as name=value) the 0 gets that label, for expressions that are grouped by it. It is there only if `without` has
    nothing over the whole time range, or it would stand beside the real values.
    """
    zero = f"0 * max({selector('tokentail_build_info')})"
    for name, value in label.items():
        known = indent(without).replace("$__range]", "$__range] @ end()")
        zero = f'label_replace({zero}, "{name}", "{value}", "", "") unless on () ({known})'
    return f"{expression}\nor\n{zero}"


def ratio(part, whole):
    """A share; nothing where the whole is 0. A part that is not there counts as 0."""
    return f"(\n  {indent(part)}\n  or\n  0 * {indent(whole)}\n)\n/\n({indent(whole)} > 0)"


def quantile(q, name, *matchers, by=(), function="rate", window="$__rate_interval"):
    """A quantile in the unit of the histogram."""
    return f"histogram_quantile({q}, {_sum(function, name + '_bucket', window, ('le', *by), matchers)})"


def named(expression, *labels):
    """`(none)` for labels that have no value, which legends would leave blank."""
    for label in labels:
        expression = f'label_replace(\n  {indent(expression)},\n  "{label}", "(none)", "{label}", ""\n)'
    return expression


def top(drawn, ranked, by):
    """The largest `$top` of `by`, ranked over the whole time range so that the same ones are drawn at each moment."""
    largest = f"topk($top, {ranked} > 0)".replace("$__range]", "$__range] @ end()")
    return named(f"{drawn}\nand on ({by})\n{indent(largest)}", by)


def rest(drawn, ranked, by):
    """The sum of all that [`top`] leaves out; nothing where it leaves out nothing."""
    ranked = f"{ranked} > 0".replace("$__range]", "$__range] @ end()")
    return f"sum(\n  {indent(drawn)}\n  and on ({by})\n  (({ranked}) unless topk($top, {ranked}))\n)"


def happened(drawn, ranked, by):
    """Only what happened within the time range: of a closed list of reasons most never do."""
    labels = ", ".join(by)
    return f"{drawn}\nand on ({labels})\n({ranked} > 0)".replace("$__range]", "$__range] @ end()")


def failed_requests(*matchers, by=(), window="$__range", ignoring=()):
    """Requests that the service failed, and those that count: errors of clients, rate limits and disconnects left out."""
    more = {"by": by, "window": window, "ignoring": ignoring}
    whole = increase("tokentail_requests_total", *matchers, **more)
    lost = increase("tokentail_request_errors_total", CLIENT_ERRORS, *matchers, **more)
    failed = increase("tokentail_request_errors_total", SERVICE_ERRORS, *matchers, **more)
    return failed, f"({whole} - ({lost} or 0 * {whole}))"


def indent(text):
    return text.replace("\n", "\n  ")
