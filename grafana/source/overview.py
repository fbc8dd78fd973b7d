"""Overview: how it goes, in eight numbers and eight curves, that of the cost once for each currency."""

from board import Board
from panels import GREEN, NEUTRAL, ORANGE, RED, link, query, reasons, signs, stat, steps, timeseries
from queries import failed_requests, gauge, increase, or_zero, quantile, rate, ratio, rest, top

ERRORS, REQUESTS = "tokentail_request_errors_total", "tokentail_requests_total"
FIRST_TOKEN = "tokentail_time_to_first_token_seconds"
IN_TIME = steps((None, RED), (0.9, ORANGE), (0.95, GREEN))


def in_time(function, **more):
    """The share of streams whose first token came within 1.5 s."""
    return ratio(function(FIRST_TOKEN + "_bucket", 'le="1.5"', **more), function(FIRST_TOKEN + "_count", **more))


def build():
    board = Board("tokentail-overview", "tokentail / Overview",
                  "The LLM gateway and the chat service at a glance: is it up, is it fast, what does it cost.")
    budget_left = ("min(" + gauge("tokentail_sla_error_budget_remaining_seconds", by=("target",), fold="min")
                   + " / (" + gauge("tokentail_sla_error_budget_seconds", by=("target",), fold="max") + " > 0))")
    failed, counted = failed_requests()
    board.row("", [
        stat("Availability this month", "Up over up and down of this calendar month, of the target that fares worst; from "
             "probes, as the ledger accounts for it.",
             query(f"min({gauge('tokentail_sla_availability_ratio', by=('target',), fold='min')})"),
             unit="percentunit", decimals=3, width=3, empty="no probe",
             thresholds=steps((None, RED), (0.995, ORANGE), (0.999, GREEN)), links=[link("Availability", "/sla")]),
        stat("Error budget left", "Share of this month's error budget that is left, of the target that fares worst; below "
             "0 the month misses its objective.",
             query(budget_left), unit="percentunit", decimals=0, width=3, empty="no probe",
             thresholds=steps((None, RED), (0, ORANGE), (0.25, GREEN)), links=[link("Availability", "/sla")]),
        stat("Requests per second", "Requests through the gateway, by their time of commit.",
             query(or_zero(rate(REQUESTS))), unit="reqps", decimals=2, width=3, spark=True, thresholds=NEUTRAL,
             links=[link("Requests", "/requests")]),
        stat("Error ratio", "Share of the requests of the chosen time range that failed by upstream, timeout or gateway. "
             "Errors of clients, rate limits and disconnects do not count.",
             query(ratio(failed, counted)), unit="percentunit", decimals=2, width=3, empty="no request",
             thresholds=steps((None, GREEN), (0.01, ORANGE), (0.05, RED)),
             links=[link("Failed requests", "/requests?error=any")]),
        stat("Answers in time", "Share of the streams of the chosen time range whose first token came within 1.5 s. 95 % is "
             "what is promised.",
             query(in_time(increase)), unit="percentunit", decimals=1, width=3, empty="no stream", thresholds=IN_TIME),
        stat("First token, P95", "95 % of the streams of the chosen time range had their first token within this time.",
             query(quantile(0.95, FIRST_TOKEN, function="increase", window="$__range") + " >= 0"), unit="s", decimals=2,
             width=3, empty="no stream", thresholds=steps((None, GREEN), (1.5, ORANGE), (5, RED))),
        stat("Cost today", "Cost since midnight in the dashboard's time zone, by currency.",
             query(increase("tokentail_cost_total", by=("currency",)), "{{currency}}"), unit="short", decimals=2,
             width=3, named=True, thresholds=NEUTRAL, overrides=signs(), time_from="now/d", empty="nothing yet",
             links=[link("Cost", "/cost")]),
        stat("Cost this month", "Cost of this calendar month so far and what it comes to if it goes on at the same mean "
             "rate; from the ledger, so it does not depend on how long Prometheus keeps its data.",
             [query(gauge("tokentail_month_cost", by=("currency",)), "{{currency}}"),
              query(gauge("tokentail_month_cost_forecast", by=("currency",)), "{{currency}} forecast")],
             unit="short", width=3, named=True, thresholds=NEUTRAL, overrides=signs(), empty="nothing yet",
             links=[link("Cost", "/cost")]),
    ])
    board.row("Traffic", [
        timeseries("Requests by model", "Requests per second, the models with the most requests of the time range and the sum "
                   "of the others. (none) are requests that failed before a model answered.",
                   [query(top(rate(REQUESTS, by=("model",)), increase(REQUESTS, by=("model",)), "model"), "{{model}}"),
                    query(rest(rate(REQUESTS, by=("model",)), increase(REQUESTS, by=("model",)), "model"), "other")],
                   unit="reqps", stacked=True, links=[link("Requests of ${__field.labels.model}",
                                                           "/requests?model=${__field.labels.model:percentencode}")]),
        timeseries("Errors by reason", "Failed requests per second. Upstream, timeout and gateway count against "
                   "availability; the others are the client's.",
                   query(or_zero(rate(ERRORS, by=("reason",)), without=increase(ERRORS), reason="none"), "{{reason}}"),
                   unit="reqps", stacked=True,
                   overrides=reasons()),
    ])
    board.row("Latency", [
        timeseries("Time to first token", "Quantiles of all successful streams. The points are single requests; they lead to "
                   "their traces.",
                   [query(quantile(q, FIRST_TOKEN), f"P{int(q * 100)}", exemplar=q == 0.95) for q in (0.5, 0.95, 0.99)],
                   unit="s", line="dashed", thresholds=steps((None, "transparent"), (1.5, RED))),
        timeseries("Answers in time", "Share of the streams whose first token came within 1.5 s, over an hour at each moment.",
                   query(in_time(increase, window="1h"), "in time"), unit="percentunit", maximum=1, minimum=None, line="dashed",
                   thresholds=steps((None, RED), (0.95, "transparent"))),
    ])
    kinds = [
        ("uncached input", f"{rate('tokentail_input_tokens_total')} - {rate('tokentail_cache_read_input_tokens_total')}"),
        ("read from cache", rate("tokentail_cache_read_input_tokens_total")),
        ("output", rate("tokentail_output_tokens_total")),
    ]
    board.row("Tokens", [
        timeseries("Tokens", "Tokens per second. Output holds reasoning; uncached input holds what was written to a cache.",
                   [query(or_zero(expression), name) for name, expression in kinds], unit="short", stacked=True),
    ])
    # A currency's curve has an axis of its own: 7 of one and 1 of another may be the same money.
    board.row("Cost in $currency", [
        timeseries("Cost per hour", "Cost of the hour before each moment in this currency.",
                   query(increase("tokentail_cost_total", by=("currency",), window="1h"), "{{currency}}"), unit="short",
                   decimals=2, overrides=signs(), links=[link("Cost", "/cost")]),
    ], repeat="currency")
    return board
