"""tokentail itself: does it keep up, is everything on disk, does it fit into its machine."""

from board import Board
from panels import (ANY_IS_BAD, ANY_IS_ODD, BAR, GREEN, NEUTRAL, ORANGE, RED, color, link, override, query, stat, steps, table,
                    timeseries, values)
from queries import gauge, happened, increase, indent, or_zero, quantile, rate, selector

SOURCE, EACH = ("source",), ("job", "instance")
FAILED = "tokentail_otlp_failed_exports_total"
# The most lines that a page may have, which is metrics.max_lines by default.
MAX_LINES = 50_000
OF_CONTAINER = ("namespace", "pod", "container", "name")


def containers(metric):
    """A metric of cAdvisor for the containers that `$container` chooses: by the pod's own name, or by Docker's."""
    chosen = f'{metric}{{image!="", container!="POD", container=~"$container"}}\nor\n{metric}{{image!="", name=~"$container"}}'
    return f"max by ({', '.join(OF_CONTAINER)}) (\n  {indent(chosen)}\n)"


def per_minute(metric):
    """Events of a minute, over 15 min at each moment, by the reasons that occurred in the time range."""
    by = ("reason",)
    return or_zero("60 / 900 * " + happened(increase(metric, by=by, window="15m"), increase(metric, by=by), by), without=increase(metric) + " > 0",
                   reason="any")


def age(metric, by=EACH):
    return f"time() - {gauge(metric, by=by, fold='max')}"


def build():
    board = Board("tokentail-self", "tokentail / Itself", "Whether tokentail keeps up with its logs, has everything on disk, and fits into "
                  "its machine.", since="now-6h", page="/status")
    status = [link("Status", "/status")]
    board.row("", [
        stat("Up", "Whether Prometheus can scrape each instance.", query(gauge("up", by=EACH, fold="min"), "{{instance}}"), unit="none",
             width=3, thresholds=steps((None, RED), (1, GREEN)), mappings=values(_0=("down", RED), _1=("up", GREEN)), named=True,
             empty="not scraped"),
        stat("Behind", "Bytes of log that are not read yet, of all sources.", query(or_zero(gauge("tokentail_log_lag_bytes"))),
             unit="bytes", decimals=1, width=3, thresholds=steps((None, GREEN), (1 << 20, ORANGE), (100 << 20, RED)), links=status),
        stat("Last commit", "How long ago something was written to the ledger. A quiet gateway writes nothing.",
             query("max(" + age("tokentail_ledger_last_commit_timestamp_seconds") + ")"), unit="s", decimals=0, width=3,
             thresholds=NEUTRAL, empty="none yet", links=status),
        stat("Rejected", "Records of the time range that could not be used.", query(or_zero(increase("tokentail_log_rejected_records_total"))),
             unit="short", decimals=0, width=3, thresholds=ANY_IS_ODD, links=status),
        stat("Lost", "Bytes of log of the time range that are known to have existed and could not be read; a lower bound.",
             query(or_zero(increase("tokentail_log_lost_bytes_total"))), unit="bytes", decimals=0, width=3, thresholds=ANY_IS_BAD, links=status),
        stat("Failed commits", "Commits of the time range that failed and were tried again. Nothing is lost by them while the log is there.",
             query(or_zero(increase("tokentail_ledger_commit_failures_total"))), unit="short", decimals=0, width=3, thresholds=ANY_IS_BAD),
        stat("Spans waiting", "Spans that wait to be sent. They are in the ledger and leave once the receiver answers.",
             query(or_zero(gauge("tokentail_otlp_pending_spans"))), unit="short", decimals=0, width=3,
             thresholds=steps((None, GREEN), (1000, ORANGE), (100000, RED))),
        stat("Configuration", "Whether the last reload was accepted; a refused one leaves the old configuration in force.",
             query(gauge("tokentail_config_last_reload_successful", fold="min")), unit="none", width=3,
             thresholds=steps((None, RED), (1, GREEN)), mappings=values(_0=("refused", RED), _1=("in force", GREEN)), empty="not scraped"),
    ])
    board.row("Logs", [
        timeseries("Lines read", "Logical lines per second, by source.", query(rate("tokentail_log_lines_total", by=SOURCE), "{{source}}"),
                   unit="short", width=8),
        timeseries("Not read yet", "Bytes behind the end of the log, by source.",
                   query(gauge("tokentail_log_lag_bytes", by=SOURCE), "{{source}}"), unit="bytes", width=8),
        timeseries("Age of the latest request", "How long ago the latest request began that was read. It grows while nobody asks anything, and while "
                   "reading is behind.", query(age("tokentail_log_last_record_timestamp_seconds", SOURCE), "{{source}}"), unit="s", width=8),
        timeseries("Skipped, rejected, odd", "Records per minute that tell of no request (skipped), that cannot be used (rejected), that repeat a "
                   "request (duplicate), and requests that count but whose line was odd; over 15 min at each moment.",
                   [query(per_minute("tokentail_log_skipped_records_total"), "skipped, {{reason}}"),
                    query(per_minute("tokentail_log_rejected_records_total"), "rejected, {{reason}}"),
                    query(or_zero("60 / 900 * " + increase("tokentail_duplicate_requests_total", window="15m")), "duplicate"),
                    query(per_minute("tokentail_anomalous_requests_total"), "odd, {{reason}}")],
                   unit="short", calcs=("mean", "max"), place="right", width=16, height=9),
        table("Sources", "Each log over the time range.", {"source": "Source"},
              [("Lines", increase("tokentail_log_lines_total", by=SOURCE), {"decimals": 0}),
               ("Read", increase("tokentail_log_bytes_total", by=SOURCE), {"unit": "bytes", "decimals": 1}),
               ("Rotations", increase("tokentail_log_rotations_total", by=SOURCE) + " or 0 * " + increase("tokentail_log_lines_total", by=SOURCE),
                {"decimals": 0}),
               ("Catching up", gauge("tokentail_log_catching_up", by=SOURCE, fold="max"),
                {"mappings": values(_0=("no", GREEN), _1=("yes", ORANGE)), "custom__displayMode": "color-text"})],
              width=8, height=9, empty="no source"),
    ])
    board.row("Ledger", [
        timeseries("Length of commits", "Quantiles of the commits of 5 min at each moment. A slow disk shows here first.",
                   [query(quantile(q, "tokentail_ledger_commit_duration_seconds", function="increase", window="5m"), f"P{int(q * 100)}")
                    for q in (0.5, 0.95, 0.99)], unit="s", width=8),
        timeseries("Rows written", "Rows per second that were written to the ledger.", query(or_zero(rate("tokentail_ledger_rows_total")), "rows"),
                   unit="short", width=8),
        timeseries("Size", "Size of the ledger on disk, by instance.", query(gauge("tokentail_ledger_size_bytes", by=EACH), "{{instance}}"),
                   unit="bytes", width=8),
        table("Jobs", "How long ago each job of the ledger succeeded.", {"instance": "Instance", "task": "Job"},
              [("Last success", age("tokentail_ledger_job_last_success_timestamp_seconds", ("instance", "task")),
                {"unit": "s", "decimals": 0, "thresholds": steps((None, GREEN), (129600, ORANGE), (259200, RED)), "custom__displayMode": "color-text"})],
              width=8, height=5, empty="none yet"),
        table("Builds and tables", "What runs where, how old the built-in prices are, and how often the clock was set.",
              {"instance": "Instance", "version": "Version"},
              [("Up for", f"time() - max by (instance) ({selector('process_start_time_seconds')}) + on (instance) group_right () 0 * "
                + gauge("tokentail_build_info", by=("instance", "version"), fold="max"), {"unit": "s", "decimals": 1}),
               ("Prices of", "1000 * " + gauge("tokentail_price_table_timestamp_seconds", by=("instance",), fold="max")
                + " + on (instance) group_right () 0 * " + gauge("tokentail_build_info", by=("instance", "version"), fold="max"),
                {"unit": "dateTimeAsIso"}),
               ("Clock steps", increase("tokentail_clock_steps_total", by=("instance",)) + " + on (instance) group_right () 0 * "
                + gauge("tokentail_build_info", by=("instance", "version"), fold="max"), {"decimals": 0})],
              width=16, height=5, empty="not scraped"),
    ])
    sink, exports = ("sink",), ("sink", "reason")
    board.row("Traces and notifications", [
        timeseries("Spans", "Spans per second that the receiver took, and those lost on the way. Without a sink there are none.",
                   [query(or_zero(rate("tokentail_otlp_exported_spans_total", by=sink), without=increase("tokentail_otlp_exported_spans_total"), sink="none"), "{{sink}}, exported"),
                    query(rate("tokentail_otlp_rejected_spans_total", by=sink), "{{sink}}, rejected"),
                    query(rate("tokentail_otlp_expired_spans_total", by=sink), "{{sink}}, expired")], unit="short", width=8,
                   overrides=[color("/rejected$/", RED), color("/expired$/", ORANGE)]),
        timeseries("Failed exports", "Exports of 5 min that failed, by the reasons that occurred in the time range. Their spans wait and are sent "
                   "again.", query(or_zero(happened(increase(FAILED, by=exports, window="5m"), increase(FAILED, by=exports), exports),
                                           without=increase(FAILED) + " > 0", reason="none"), "{{sink}} {{reason}}"), unit="short", width=8),
        timeseries("Notifications", "Notifications of Alertmanager that the relay answered in 15 min, by receiver and what came of them.",
                   query(or_zero(increase("tokentail_alert_notifications_total", by=("receiver", "outcome"), window="15m"),
                                 without=increase("tokentail_alert_notifications_total"), outcome="none"),
                         "{{receiver}} {{outcome}}"), unit="short", width=8),
    ])
    used, limit = containers("container_memory_working_set_bytes"), containers("container_spec_memory_limit_bytes")
    board.row("Resources", [
        timeseries("CPU", "Cores that are used, by instance.", query(rate("process_cpu_seconds_total", by=EACH), "{{instance}}"), unit="short",
                   decimals=3, width=8),
        timeseries("Memory", "Resident memory, by instance.", query(gauge("process_resident_memory_bytes", by=EACH), "{{instance}}"),
                   unit="bytes", width=8),
        timeseries("Samples of a scrape", f"Lines of the page, by instance. At {MAX_LINES} (metrics.max_lines) consumers, then routes become "
                   "other; folded are the observations that were recorded so.",
                   [query(gauge("scrape_samples_scraped", by=EACH, fold="max"), "{{instance}}"),
                    query(or_zero(increase("tokentail_series_folded_total", window="1h")), "folded in 1 h")], unit="short", width=8,
                   line="dashed", thresholds=steps((None, "transparent"), (MAX_LINES, RED))),
        timeseries("Memory of containers", "Working set over its limit, from cAdvisor; at 100 % the kernel kills it. Gateway, chat service and "
                   "tokentail by default. Containers without a limit are not shown.",
                   query(f"{used}\n/\n({limit} > 0)", "{{namespace}} {{pod}} {{container}}{{name}}"), unit="percentunit", maximum=1, line="dashed",
                   thresholds=steps((None, "transparent"), (0.9, RED)), empty="no cAdvisor"),
        table("Containers", "Memory of each container against its limit, from cAdvisor.",
              {"namespace": "Namespace", "pod": "Pod", "container": "Container", "name": "Name"},
              [("Used", used, {"unit": "bytes", "decimals": 1}), ("Limit", f"{limit} > 0", {"unit": "bytes", "decimals": 1}),
               ("Share", f"{used}\n/\n({limit} > 0)", {"unit": "percentunit", "decimals": 1, "min": 0, "max": 1,
                                                   "thresholds": steps((None, GREEN), (0.8, ORANGE), (0.9, RED)), **BAR})],
              width=12, sort="Share", empty="no cAdvisor"),
        timeseries("File descriptors", "Share of the file descriptors that are open, by instance.",
                   query(f"{gauge('process_open_fds', by=EACH)} / {gauge('process_max_fds', by=EACH)}", "{{instance}}"), unit="percentunit",
                   decimals=2, height=6, width=24, line="dashed", thresholds=steps((None, "transparent"), (0.8, RED))),
    ])
    return board
