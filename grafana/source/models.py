"""Models: how fast and how reliable each model and each upstream is."""

from board import Board
from panels import (BAR, BLUE, GREEN, NEUTRAL, ORANGE, RED, bars, heatmap, link, query, reasons, stat, steps, table, timeseries)
from queries import failed_requests, increase, indent, named, or_zero, quantile, rate, ratio, rest, selector, top

REQUESTS, ERRORS, TOOLS = "tokentail_requests_total", "tokentail_request_errors_total", "tokentail_tool_calls_total"
DURATION, FIRST_TOKEN = "tokentail_request_duration_seconds", "tokentail_time_to_first_token_seconds"
PER_TOKEN = "tokentail_time_per_output_token_seconds"
TO_MODEL = link("Requests of ${__field.labels.model}", "/requests?model=${__field.labels.model:percentencode}")
SUCCESS = steps((None, RED), (0.95, ORANGE), (0.99, GREEN))
NOT_OK = 'code!~"2.."'
SHOWN = {"unit": "s", "decimals": 2}


def of_largest(expression, count, by="model"):
    """Only those with the most of `count` over the time range."""
    return named(f"{expression}\nand on ({by})\ntopk($top, {increase(count, by=(by,))} > 0)".replace("$__range]", "$__range] @ end()"), by)


def success(by, window, *matchers):
    failed, counted = failed_requests(*matchers, by=by, window=window)
    return f"1 - {ratio(failed, counted)}"


def curves(title, description, histogram, q, *, line=None, **more):
    """A quantile for each of the largest models; its points lead to traces."""
    return timeseries(title, description,
                      query(of_largest(quantile(q, histogram, by=("model",), function="increase", window="30m"), histogram + "_count"), "{{model}}",
                            exemplar=True),
                      unit="s", calcs=("lastNotNull",), place="right", links=[TO_MODEL], **more)


def heat(title, description, histogram):
    return heatmap(title, description, f"sum by (le) (increase({selector(histogram + '_bucket')}[$__rate_interval]))", unit="s", width=8,
                   exemplar=True)


def build():
    board = Board("tokentail-models", "tokentail / Models", "How fast and how reliable each model and each upstream is. Durations are of "
                  "successful requests only.", page="/requests", traces=True)
    drawn, ranked = rate(REQUESTS, by=("model",)), increase(REQUESTS, by=("model",))
    speed = f"1 / ({quantile(0.5, PER_TOKEN, function='increase', window='$__range')} > 0)"
    board.row("", [
        stat("Requests", "Requests of the time range.", query(or_zero(increase(REQUESTS))), unit="locale", decimals=0, width=4,
             thresholds=NEUTRAL),
        stat("Success", "Share of the requests of the time range that the service did not fail; errors of clients, rate limits and "
             "disconnects do not count.", query(success((), "$__range")), unit="percentunit", decimals=2, width=4, thresholds=SUCCESS,
             empty="no request", links=[link("Failed requests", "/requests?error=any")]),
        stat("First token, P95", "95 % of the streams of the time range had their first token within this time.",
             query(quantile(0.95, FIRST_TOKEN, function="increase", window="$__range") + " >= 0"), empty="no stream", width=4,
             thresholds=steps((None, GREEN), (1.5, ORANGE), (5, RED)), **SHOWN),
        stat("Duration, P95", "95 % of the successful requests of the time range ended within this time.",
             query(quantile(0.95, DURATION, function="increase", window="$__range") + " >= 0"), empty="no request", width=4,
             thresholds=steps((None, GREEN), (30, ORANGE), (120, RED)), **SHOWN),
        stat("Output tokens per second", "Of the median stream of the time range, after its first token.", query(speed), unit="short",
             decimals=0, width=4, thresholds=NEUTRAL, empty="no stream"),
        stat("Tool calls", "Tool calls in the answers of the time range.", query(or_zero(increase(TOOLS))), unit="locale", decimals=0,
             width=4, thresholds=NEUTRAL),
    ])
    failed, counted = failed_requests(by=("model",))

    def model_quantile(q, histogram):
        return quantile(q, histogram, by=("model",), function="increase", window="$__range") + " >= 0"

    board.row("By model", [
        table("Models", "Each model over the time range. A name leads to its requests. Requests that failed before a model was known are "
              "in the row without a name.", {"model": "Model"},
              [("Requests", ranked + " > 0", {"decimals": 0}),
               ("Success", f"1 - {ratio(failed, counted)}", {"unit": "percentunit", "decimals": 2, "thresholds": SUCCESS,
                                                             "custom__displayMode": "color-text"}),
               ("First token P50", model_quantile(0.5, FIRST_TOKEN), SHOWN),
               ("First token P95", model_quantile(0.95, FIRST_TOKEN),
                {**SHOWN, "thresholds": steps((None, GREEN), (1.5, ORANGE), (5, RED)), "custom__displayMode": "color-text"}),
               ("Duration P50", model_quantile(0.5, DURATION), SHOWN), ("Duration P95", model_quantile(0.95, DURATION), SHOWN),
               ("Tokens per second", f"1 / ({quantile(0.5, PER_TOKEN, by=('model',), function='increase', window='$__range')} > 0)",
                {"decimals": 0, "thresholds": NEUTRAL, **BAR, "min": 0})],
              sort="Requests", height=9, empty="no request",
              more_links={"model": link("Requests", "/requests?model=${__value.raw:percentencode}")}),
        timeseries("Requests", "Requests per second, the models with the most requests of the time range and the sum of the others.",
                   [query(top(drawn, ranked, "model"), "{{model}}"), query(rest(drawn, ranked, "model"), "other")], unit="reqps",
                   stacked=True, calcs=("mean",), place="right", links=[TO_MODEL]),
        curves("First token, P95", "Time to the first token of successful streams, over 30 min at each moment.", FIRST_TOKEN, 0.95,
               line="dashed", thresholds=steps((None, "transparent"), (1.5, RED))),
        curves("Duration, P95", "Start to end of successful requests, over 30 min at each moment.", DURATION, 0.95),
        curves("Time per output token, median", "Time between two tokens after the first, over 30 min at each moment.", PER_TOKEN, 0.5),
    ])
    board.row("Distributions", [
        heat("First token", "How often each time to the first token was seen. The points are single requests; they lead to their traces.",
             FIRST_TOKEN),
        heat("Duration", "How often each duration of a successful request was seen. The points lead to traces.", DURATION),
        heat("Time per output token", "How often each time between two tokens was seen. The points lead to traces.", PER_TOKEN),
    ])
    by_upstream = success(("provider",), "1h", 'provider!=""')
    board.row("Errors and upstreams", [
        timeseries("Success by upstream", "Share of the requests of the hour before each moment that the service did not fail, by the "
                   "provider that the gateway's upstream cluster names: those with the most requests of the time range.",
                   query(of_largest(by_upstream, REQUESTS, "provider"), "{{provider}}"), unit="percentunit", minimum=None, maximum=1, calcs=("lastNotNull", "min"),
                   place="right", line="dashed", thresholds=steps((None, RED), (0.99, "transparent"))),
        timeseries("Errors by reason", "Failed requests per minute, over 15 min at each moment. Upstream, timeout and gateway are the "
                   "service's; the others the client's.",
                   query(or_zero("60 / 900 * " + increase(ERRORS, by=("reason",), window="15m"), without=increase(ERRORS), reason="none"), "{{reason}}"),
                   unit="short", stacked=True, calcs=("mean", "max"), place="right", overrides=reasons(),
                   links=[link("Requests that failed so", "/requests?error=${__field.labels.reason}")]),
        bars("Errors by upstream", "Failed requests of the time range by provider and reason, the largest first. (none) are requests that "
             "found no upstream.",
             query(named(f"topk(16, {increase(ERRORS, by=('provider', 'reason'))} > 0)", "provider"), "{{provider}}, {{reason}}"),
             unit="locale", decimals=0, width=8, height=9, thresholds=steps((None, ORANGE)), empty="none"),
        bars("HTTP status", "Requests of the time range by status, those outside 2xx only; (none) ended before there was an answer.",
             query(named(increase(REQUESTS, NOT_OK, by=("code",)) + " > 0", "code"), "{{code}}"), unit="locale", decimals=0,
             width=8, height=9, thresholds=steps((None, ORANGE)), empty="none"),
        bars("Tool calls", "Tools that the answers of the time range called, the most called and the sum of the others.",
             [query(top(increase(TOOLS, by=("tool",)), increase(TOOLS, by=("tool",)), "tool"), "{{tool}}"),
              query(rest(increase(TOOLS, by=("tool",)), increase(TOOLS, by=("tool",)), "tool"), "other")],
             unit="locale", decimals=0, width=8, height=9, thresholds=NEUTRAL, empty="none"),
    ])
    return board
