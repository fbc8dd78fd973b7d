"""Cost: what is spent on what, in each currency on its own, against budgets."""

from board import Board
from panels import (ANY_IS_ODD, BAR, GREEN, NEUTRAL, ORANGE, RED, bars, link, override, query, signs, stat, steps, table,
                    timeseries)
from queries import gauge, increase, indent, named, or_zero, rate, ratio, rest, selector, top

COST, REQUESTS, SAVINGS = "tokentail_cost_total", "tokentail_requests_total", "tokentail_cache_savings_total"
INPUT, OUTPUT = "tokentail_input_tokens_total", "tokentail_output_tokens_total"
READ, WRITTEN = "tokentail_cache_read_input_tokens_total", "tokentail_cache_write_input_tokens_total"
REASONING = "tokentail_reasoning_output_tokens_total"
# What a price depends on besides time: the labels that requests and their cost have in common.
EACH = ("gateway", "route", "provider", "model", "consumer")
BUDGET = ("budget", "unit", "period")
USED = steps((None, GREEN), (0.8, ORANGE), (1, RED))


def in_one_currency(month):
    """The month's money in each currency that all others have a rate to."""
    rate_to = ('max by (currency, to) (label_replace(' + selector("tokentail_exchange_rate")
               + ', "currency", "$1", "from", "(.*)"))')
    converted = f"{rate_to} * on (currency) group_left () {month}"
    own = f'label_replace({month}, "to", "$1", "currency", "(.*)")'
    known = f"count by (to) ({converted}) + 1 == on () group_left () count({month})"
    return f"(\n  sum by (to) ({converted})\n  + on (to)\n  sum by (to) ({own})\n)\nand on (to)\n({indent(known)})"


def budgets():
    used, limit = gauge("tokentail_budget_used", by=BUDGET), gauge("tokentail_budget_limit", by=BUDGET, fold="max")
    # What is forecast over what is spent tells how much of the month is over; with it each budget is forecast.
    grown = (f'label_replace(\n  {gauge("tokentail_month_cost_forecast", by=("currency",))}\n  /\n'
             f'  ({gauge("tokentail_month_cost", by=("currency",))} > 0),\n  "unit", "$1", "currency", "(.*)"\n)')
    forecast = gauge("tokentail_budget_used", 'period="month"', by=BUDGET) + f"\n* on (unit) group_left ()\n{grown}"
    share = f"{used}\n/\n({limit} > 0)"
    return [
        bars("Budgets used", "Share of each budget that its present day or month has used. None is configured where this is "
             "empty (cost.budgets).", query(share, "{{budget}} ({{unit}}, {{period}})"),
             unit="percentunit", decimals=0, maximum=1.2, width=10, height=6, thresholds=USED, empty="no budget configured"),
        table("Budgets", "Limit, use and what will have been used at the end of the month if days go on as the last "
              "4 weeks went.",
              {"budget": "Budget", "unit": "Unit", "period": "Period"},
              [("Limit", limit, {"unit": "short", "decimals": 2}), ("Used", used, {"unit": "short", "decimals": 2}),
               ("Share", share, {"unit": "percentunit", "decimals": 1, "max": 1, "thresholds": USED, **BAR}),
               ("By end of month", forecast, {"unit": "short", "decimals": 2})],
              width=14, height=6, sort="Share", empty="no budget configured"),
    ]


def of_currency():
    """One currency's row: `$currency` is the one of this repetition."""
    total = increase(COST)
    priced = " and on (" + ", ".join(EACH) + ") "
    of_priced = f"sum(sum by ({', '.join(EACH)}) (increase({selector(REQUESTS)}[$__range])){priced}{increase(COST, by=EACH)} > 0)"
    panels = [
        stat("Cost", "Cost of the chosen time range.", query(or_zero(total)), unit="locale", decimals=2, width=4, thresholds=NEUTRAL),
        stat("This month", "Cost of this calendar month so far, from the ledger.",
             query(or_zero(gauge("tokentail_month_cost"))), unit="locale", decimals=2, width=4, thresholds=NEUTRAL),
        stat("Month, forecast", "Cost at the end of the month if days go on as the last 4 weeks went.",
             query(gauge("tokentail_month_cost_forecast")), unit="locale", decimals=2, width=4, thresholds=NEUTRAL,
             empty="first day"),
        stat("Per 1,000 requests", "Cost of the time range over the requests to models that are priced in this currency, "
             "failed ones included.", query(f"1000 * {total}\n/\n{of_priced}"), unit="locale", decimals=2,
             width=4, thresholds=NEUTRAL, empty="no request"),
        stat("Per session", "Cost of the time range over the sessions that began in it, whatever they cost and in which currency.",
             query(f"{total}\n/\n({increase('tokentail_sessions_started_total')} > 0)"), unit="locale", decimals=4, width=4,
             thresholds=NEUTRAL, empty="no session"),
        stat("Saved by caches", "What the cache reads of the time range would have cost as uncached input, less what they cost.",
             query(or_zero(increase(SAVINGS))), unit="locale", decimals=2, width=4),
    ]
    for label, path in (("model", "/requests?model="), ("consumer", "/requests?consumer=")):
        drawn, ranked = increase(COST, by=(label,), window="1h"), increase(COST, by=(label,))
        panels.append(timeseries(
            f"By {label}", f"Cost of the hour before each moment: the {label}s that cost most in the time range, and the sum of "
            "the others.",
            [query(top(drawn, ranked, label), "{{" + label + "}}"), query(rest(drawn, ranked, label), "other")],
            unit="locale", decimals=2, stacked=True, calcs=("mean", "max"), place="right", height=9,
            links=[link(f"Requests of ${{__field.labels.{label}}}", f"{path}${{__field.labels.{label}:percentencode}}")]))
    for label in ("provider", "route"):
        ranked = increase(COST, by=(label,))
        panels.append(bars(f"By {label}", f"Cost of the time range by {label}, the largest and the sum of the others.",
                           [query(top(ranked, ranked, label), "{{" + label + "}}"), query(rest(ranked, ranked, label), "other")],
                           unit="locale", decimals=2, thresholds=NEUTRAL, width=6, height=7, empty="nothing"))
    each = ("provider", "model")
    cost, requests = increase(COST, by=each), increase(REQUESTS, by=each)
    tokens = f"({increase(INPUT, by=each)} + {increase(OUTPUT, by=each)})"
    panels.append(table(
        "Models", "Cost, its share, and what a request and a million tokens came to, over the time range. Only the models that "
        "are priced in this currency.", {"provider": "Provider", "model": "Model"},
        [("Cost", f"{cost} > 0", {"decimals": 2}),
         ("Share", f"{cost} / on () group_left () ({total} > 0)", {"unit": "percentunit", "decimals": 1, "max": 1, "min": 0,
                                                                   "thresholds": NEUTRAL, **BAR}),
         ("Per 1,000 requests", f"1000 * ({cost} > 0) / ({requests} > 0)", {"decimals": 2}),
         ("Per million tokens", f"1e6 * ({cost} > 0) / ({tokens} > 0)", {"decimals": 3})],
        width=12, height=7, sort="Cost", empty="nothing",
        more_links={"model": link("Requests", "/requests?model=${__value.raw:percentencode}")}))
    return panels


def build():
    board = Board("tokentail-cost", "tokentail / Cost", "What is spent on what, against budgets. Each currency is on its own; "
                  "nothing is converted without a configured rate.", page="/cost")
    month = gauge("tokentail_month_cost", by=("currency",))
    board.row("This month", [
        stat("This month", "Cost of this calendar month so far, by currency; from the ledger, so it does not depend on how long "
             "Prometheus keeps its data.", query(month, "{{currency}}"), unit="short", decimals=2, named=True, thresholds=NEUTRAL,
             overrides=signs(), empty="nothing yet"),
        stat("Forecast", "Cost at the end of the month if days go on as the last 4 weeks went.",
             query(gauge("tokentail_month_cost_forecast", by=("currency",)), "{{currency}}"), unit="short", decimals=2, named=True,
             thresholds=NEUTRAL, overrides=signs(), empty="first day"),
        stat("In one currency", "The month so far in one sum, in each currency that all the others have a configured rate to "
             "(cost.rates).", query(in_one_currency(month), "{{to}}"), unit="short", decimals=2, named=True, thresholds=NEUTRAL,
             overrides=signs(), empty="no rate configured"),
        stat("Unpriced requests", "Requests of the time range with tokens whose model has no price row. Their cost is in no sum.",
             query(or_zero(increase("tokentail_unpriced_requests_total"))), unit="locale", decimals=0, width=3, thresholds=ANY_IS_ODD,
             links=[link("Cost", "/cost")]),
        stat("Usage missing", "Requests of the time range whose token usage should be in the log and is not. Their cost is "
             "missing too.", query(or_zero(increase("tokentail_usage_missing_requests_total"))), unit="locale", decimals=0, width=3,
             thresholds=ANY_IS_ODD),
    ])
    board.row("Budgets", budgets())
    board.row("$currency", of_currency(), repeat="currency")
    uncached = f"{rate(INPUT)} - {rate(READ)} - {rate(WRITTEN)}"
    kinds = [("uncached input", uncached), ("read from cache", rate(READ)), ("written to cache", rate(WRITTEN)),
             ("output", f"{rate(OUTPUT)} - {rate(REASONING)}"), ("reasoning", rate(REASONING))]
    hit = ratio(increase(READ, by=("model",), window="1h"), increase(INPUT, by=("model",), window="1h"))
    board.row("Tokens, caches and what has no price", [
        timeseries("Tokens by kind", "Tokens per second by the kinds that have prices of their own. What each kind cost is on the "
                   "web page.", [query(or_zero(expression), name) for name, expression in kinds], unit="short", stacked=True,
                   calcs=("mean",), place="right", links=[link("Cost by kind", "/cost")]),
        timeseries("Input read from caches", "Share of the input tokens of an hour that was read from a cache, by model: the "
                   "models with the most cached input of the time range.",
                   query(named(f"({indent(hit)})\nand on (model)\ntopk($top, {increase(READ, by=('model',))} > 0)"
                               .replace("$__range]", "$__range] @ end()"), "model"), "{{model}}"),
                   unit="percentunit", maximum=1, calcs=("lastNotNull",), place="right"),
        table("Models without a price", "Requests and tokens of the time range that no price row covers. Add a row, or one that "
              "says 0 where it is free.", {"gateway": "Gateway", "provider": "Provider", "model": "Model"},
              [("Requests", increase("tokentail_unpriced_requests_total", by=("gateway", "provider", "model")) + " > 0", {"decimals": 0}),
               ("Tokens", increase("tokentail_unpriced_tokens_total", by=("gateway", "provider", "model")) + " > 0", {"decimals": 0})],
              width=12, height=6, sort="Tokens", empty="every model has a price",
              more_links={"model": link("Requests", "/requests?model=${__value.raw:percentencode}")}),
        table("Exchange rates", "Rates in force today, as configured. Nothing is converted without one.",
              {"from": "From", "to": "To"}, [("Rate", gauge("tokentail_exchange_rate", by=("from", "to"), fold="max"), {"decimals": 4})],
              width=12, height=6, empty="no rate configured"),
    ])
    return board
