"""SLA: was the service up, is the promise kept, how fast is the error budget spent."""

from board import Board
from panels import (ANY_IS_BAD, BLUE, GREEN, GREY, NEUTRAL, ORANGE, RED, link, query, stat, steps, table,
                    timeline, timeseries, values)
from queries import failed_requests, gauge, happened, increase, or_zero, quantile, ratio, selector

STATES = {"up": 1, "down": 2, "maintenance": 3, "unknown": 4}
KEPT = steps((None, RED), (0.995, ORANGE), (0.999, GREEN))
LEFT = steps((None, RED), (0, ORANGE), (0.25, GREEN))
TARGET = ("target",)


def burn_rate(window):
    """How many times faster than the objective allows the budget goes, over a window: 1 spends it within the month."""
    failures = increase("tokentail_probe_failures_total", by=TARGET, window=window)
    looks = increase("tokentail_probes_total", by=TARGET, window=window)
    objective = gauge("tokentail_sla_objective_ratio", by=TARGET, fold="max")
    return f"{ratio(failures, looks)}\n/ on (target)\n(1 - {objective} > 0)"


def build():
    board = Board("tokentail-sla", "tokentail / SLA", "Whether the probed targets keep this calendar month's promise. The month's "
                  "figures are the ledger's own.", page="/sla")
    left = gauge("tokentail_sla_error_budget_remaining_seconds", by=TARGET, fold="min")
    whole = gauge("tokentail_sla_error_budget_seconds", by=TARGET, fold="max")
    state = "\nor\n".join(f"{number} * " + selector("tokentail_sla_state", f'state="{name}"') for name, number in STATES.items())
    per_target = {"named": True, "empty": "no probe", "links": [link("Availability", "/sla")]}
    board.row("This calendar month", [
        stat("Availability", "Up over up and down; maintenance and unknown time are in neither.",
             query(gauge("tokentail_sla_availability_ratio", by=TARGET, fold="min"), "{{target}}"), unit="percentunit", decimals=3,
             width=5, thresholds=KEPT, **per_target),
        stat("Strict", "Availability with unknown time counted as down: the worst that can be true.",
             query(gauge("tokentail_sla_availability_strict_ratio", by=TARGET, fold="min"), "{{target}}"), unit="percentunit",
             decimals=3, width=5, thresholds=KEPT, **per_target),
        stat("Coverage", "Share of the month so far, less maintenance, in which the state is known. Under 95 % nothing is proven.",
             query(gauge("tokentail_sla_coverage_ratio", by=TARGET, fold="max"), "{{target}}"), unit="percentunit", decimals=2, width=4,
             thresholds=steps((None, RED), (0.95, GREEN)), **per_target),
        stat("Error budget left", "Time that the target may still be down this month; below 0 the promise is broken.",
             query(left, "{{target}}"), unit="s", decimals=1, width=5, thresholds=steps((None, RED), (0, GREEN)), **per_target),
        stat("By requests", "Share of this month's requests that did not fail, without client errors, rate limits and "
             "disconnects. It stands beside the probes' figure and is never added to it.",
             query(gauge("tokentail_sla_request_availability_ratio", by=("gateway",), fold="min"), "{{gateway}}"), unit="percentunit",
             decimals=3, width=5, named=True, empty="no request", thresholds=KEPT),
    ])
    board.row("State", [
        timeline("State", "What each target is at each moment: down after three failed looks in a row, up after two good ones, "
                 "unknown where nobody looked.", query(f"max by (target) (\n  {state.replace(chr(10), chr(10) + '  ')}\n)", "{{target}}"),
                 mappings=values(_1=("up", GREEN), _2=("down", RED), _3=("maintenance", BLUE), _4=("unknown", GREY)),
                 thresholds=NEUTRAL, height=5, empty="no probe", data_points=400),
    ])
    failed, counted = failed_requests(by=("gateway",), window="1h", ignoring=("provider", "model", "route", "consumer"))
    reasons = ("target", "reason")
    windows = [("1h", "1 h"), ("6h", "6 h"), ("1d", "1 d"), ("3d", "3 d")]
    board.row("Error budget", [
        timeseries("Budget left", "Share of the month's error budget that is left. It begins anew with each calendar month.",
                   query(f"{left}\n/\n({whole} > 0)", "{{target}}"), unit="percentunit", minimum=None, maximum=1, line="dashed",
                   thresholds=steps((None, RED), (0, "transparent"))),
        timeseries("Burn rate", "How many times faster than the objective allows the budget goes, over four windows. 1 would spend "
                   "it in a month, 14.4 a fiftieth of it in an hour.",
                   [query(burn_rate(window), "{{target}}, " + name) for window, name in windows], unit="short", decimals=1,
                   line="dashed", thresholds=steps((None, "transparent"), (14.4, RED))),
    ])
    board.row("Outages and looks", [
        stat("Outages", "Outages of the time range: three failed looks in a row, up to two good ones.",
             query(or_zero(increase("tokentail_outages_total"))), unit="short", decimals=0, width=4, thresholds=ANY_IS_BAD,
             links=[link("Outages", "/sla")]),
        stat("Time in outages", "As far as it is settled, maintenance included.",
             query(or_zero(increase("tokentail_outage_seconds_total"))), unit="s", decimals=1, width=4, thresholds=ANY_IS_BAD,
             links=[link("Outages", "/sla")]),
        table("Targets", "Each target over the time range. A certificate that ends soon is orange, then red.", {"target": "Target"},
              [("Outages", increase("tokentail_outages_total", by=TARGET) + " or 0 * " + gauge("tokentail_target_up", by=TARGET, fold="max"), {"decimals": 0}),
               ("Time in outages", increase("tokentail_outage_seconds_total", by=TARGET), {"unit": "s", "decimals": 1}),
               ("Looks", increase("tokentail_probes_total", by=TARGET), {"decimals": 0}),
               ("Failed looks", increase("tokentail_probe_failures_total", by=TARGET), {"decimals": 0}),
               ("Failed in a row", gauge("tokentail_probe_consecutive_failures", by=TARGET, fold="max"), {"decimals": 0}),
               ("HTTP status", gauge("tokentail_probe_http_status_code", by=TARGET, fold="max"), {"unit": "none"}),
               ("Objective", gauge("tokentail_sla_objective_ratio", by=TARGET, fold="max"), {"unit": "percentunit", "decimals": 2}),
               ("Certificate ends in", gauge("tokentail_probe_tls_expiry_timestamp_seconds", by=TARGET, fold="min") + " - time()",
                {"unit": "s", "decimals": 1, "thresholds": steps((None, RED), (259200, ORANGE), (1209600, GREEN)),
                 "custom__displayMode": "color-text"})],
              width=16, height=4, empty="no probe"),
        timeseries("Length of looks", "Quantiles of how long a look took, failed ones included, over 5 min at each moment.",
                   [query(quantile(q, "tokentail_probe_duration_seconds", by=TARGET, window="5m", function="increase"),
                          "{{target}}, P" + str(int(q * 100))) for q in (0.5, 0.95)],
                   unit="s", line="dashed", thresholds=steps((None, "transparent"), (1.5, RED))),
        timeseries("Failed looks by reason", "Failed looks in steps of at least a minute, by the reasons that occurred in the time range.",
                   query(or_zero(happened(increase("tokentail_probe_failures_total", by=reasons, window="$__rate_interval"),
                                          increase("tokentail_probe_failures_total", by=reasons), reasons),
                                 without=increase("tokentail_probe_failures_total") + " > 0", reason="none"),
                         "{{target}} {{reason}}"), unit="short", bars=True, stacked=True, interval="1m"),
        timeseries("Phases of a look", "The latest look of each target, phase by phase, where it was reached.",
                   query(gauge("tokentail_probe_phase_duration_seconds", by=("target", "phase"), fold="max"), "{{target}} {{phase}}"),
                   unit="s", stacked=True),
        table("What looks cost", "Of targets that are asked for completions, over the time range, in their currencies. It is beside the "
              "cost of requests, never in it.", {"target": "Target", "currency": "Currency"},
              [("Cost", increase("tokentail_probe_cost_total", by=("target", "currency")), {"unit": "short", "decimals": 4})],
              width=6, empty="no completion"),
        table("Tokens of looks", "Over the time range; those without a price and looks without usage are in no cost.", {"target": "Target"},
              [("Input", increase("tokentail_probe_input_tokens_total", by=TARGET), {"decimals": 0}),
               ("Output", increase("tokentail_probe_output_tokens_total", by=TARGET), {"decimals": 0}),
               ("Unpriced", increase("tokentail_probe_unpriced_tokens_total", by=TARGET), {"decimals": 0}),
               ("Usage missing", increase("tokentail_probe_usage_missing_total", by=TARGET), {"decimals": 0})],
              width=6, empty="no completion"),
        timeseries("Availability by requests", "Share of the requests of an hour that the service did not fail, by gateway.",
                   query(f"1 - {ratio(failed, counted)}", "{{gateway}}"), unit="percentunit", minimum=None, maximum=1, line="dashed",
                   thresholds=steps((None, RED), (0.99, "transparent"))),
    ])
    return board
