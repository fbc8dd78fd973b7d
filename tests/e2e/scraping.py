"""Cases: what Prometheus and its tools make of /metrics."""

import re
import subprocess
import time

from gateway import Gateway, Log
from harness import OPENMETRICS, TEXT, AsText, Prometheus, Tokentail, equal, fetch, require, wait

# Counters of the log's content, with what Gateway.expected calls them.
COUNTERS = {
    "tokentail_log_lines_total": "lines",
    "tokentail_requests_total": "requests",
    "tokentail_request_errors_total": "errors",
    "tokentail_input_tokens_total": "input",
    "tokentail_output_tokens_total": "output",
    "tokentail_cache_read_input_tokens_total": "cached",
}


def promtool_has_nothing_to_say_about_the_text_form_and_the_two_forms_say_the_same(case):
    gateway = Gateway(1)
    log = Log(case.folder / "log/access.log", gateway)
    log.append(2000)
    tokentail = Tokentail(case, log.path, case.folder / "data")
    tokentail.wait_lines(2000)
    forms = {}
    for accept, wanted in ((TEXT, "text/plain"), (OPENMETRICS, "application/openmetrics-text")):
        status, headers, body = fetch(tokentail.port, "/metrics", {"Accept": accept})
        equal(status, 200, f"status for {accept}")
        require(headers["Content-Type"].startswith(wanted), f"{accept} gives {headers['Content-Type']}")
        forms[accept] = body
    # promtool reads no OpenMetrics; that form is judged by Prometheus itself in the next case.
    check = subprocess.run(["promtool", "check", "metrics"], input=forms[TEXT], capture_output=True, check=False)
    said = (check.stdout + check.stderr).decode()
    require(check.returncode == 0 and not said.strip(), f"promtool exits with {check.returncode} and says:\n{said}")
    require(forms[OPENMETRICS].endswith(b"\n# EOF\n"), "OpenMetrics ends with # EOF")
    require(b"# EOF" not in forms[TEXT] and b" # {" not in forms[TEXT], "text 0.0.4 has neither # EOF nor exemplars")

    def series(body):
        names = re.findall(rb"^(tokentail_(?!build_info)[a-z_]+(?:\{.*?\})?) ", body, re.MULTILINE)
        return {name for name in names if b"_created" not in name}

    equal(len(series(forms[TEXT]) ^ series(forms[OPENMETRICS])), 0, "series that only one of the two forms has")


def a_real_prometheus_reads_both_forms_and_both_hold_the_values_of_the_log(case):
    gateway = Gateway(2)
    log = Log(case.folder / "log/access.log", gateway)
    log.append(3000)
    tokentail = Tokentail(case, log.path, case.folder / "data")
    tokentail.wait_page()
    prometheus = Prometheus(case, {"openmetrics": tokentail.port, "text": AsText(case, tokentail.port).port})
    wait(lambda: prometheus.value("sum(up)") == 2, "both targets are up", 30)
    log.append_torn(500)
    for job in ("openmetrics", "text"):
        for metric, name in COUNTERS.items():
            wanted = gateway.expected[name]
            query = f'sum({metric}{{job="{job}"}})'
            wait(lambda q=query, w=wanted: prometheus.value(q) == w, f"{query} is {wanted}", 20)
        buckets = f'sum(tokentail_request_duration_seconds_bucket{{job="{job}",le="+Inf"}})'
        answered = gateway.expected["requests"] - gateway.expected["errors"]
        equal(prometheus.value(buckets), answered, f"successful requests in the histogram of {job}")
    counts = {labels["job"]: value for labels, value in prometheus.query("scrape_samples_scraped")}
    equal(counts["text"], counts["openmetrics"], "samples of a scrape")
    equal(prometheus.why_down(), {}, "targets that are down")


def a_restart_and_a_kill_between_scrapes_show_in_increase_exactly_what_happened(case):
    gateway = Gateway(3)
    log = Log(case.folder / "log/access.log", gateway)
    data = case.folder / "data"
    log.append(1000)
    tokentail = Tokentail(case, log.path, data)
    tokentail.wait_page()
    prometheus = Prometheus(case, {"tokentail": tokentail.port})

    def scraped():
        wanted = gateway.expected["requests"]
        wait(lambda: prometheus.value("sum(tokentail_requests_total)") == wanted, f"Prometheus saw {wanted}", 20)

    scraped()
    first = gateway.expected.copy()
    for end in ("stop", "kill", "stop", "kill"):
        log.append(700)
        if end == "stop":
            equal(tokentail.stop(), 0, "exit code after SIGTERM")
        else:
            # In the middle of whatever it is doing.
            tokentail.kill()
        log.append(300)
        tokentail = Tokentail(case, log.path, data, port=tokentail.port)
        scraped()
    began = min(samples[0][0] for _, samples in prometheus.query("up[10m]"))
    for metric, name in COUNTERS.items():
        grown = 0
        for labels, samples in prometheus.query(f"{metric}[10m]"):
            values = [value for _, value in samples]
            require(values == sorted(values), f"{metric}{labels} fell: {values}")
            # A series that was not there at the first scrape began at 0.
            grown += values[-1] - (values[0] if samples[0][0] < began + 0.9 else 0)
        wanted = gateway.expected[name] - first[name]
        equal(grown, wanted, f"growth of {metric} over its raw samples")
        equal(prometheus.value(f"sum(resets({metric}[10m]))"), 0, f"resets of {metric}")
    # increase() extrapolates to the ends of its window; one that begins and ends with a sample leaves nothing to add.
    ((_, samples),) = prometheus.query("tokentail_log_lines_total[10m]")
    window = round(1000 * (samples[-1][0] - samples[0][0]))
    increase = prometheus.value(f"increase(tokentail_log_lines_total[{window}ms] @ {samples[-1][0]:.3f})")
    wanted = gateway.expected["lines"] - first["lines"]
    equal(round(increase, 6), wanted, "increase() of the lines read")
    case.figure(f"across 2 stops and 2 kills {wanted} lines were written, increase() says {increase:g}")


def the_first_page_after_a_first_start_already_holds_the_history(case):
    gateway = Gateway(4)
    log = Log(case.folder / "log/access.log", gateway)
    for _ in range(3):
        log.append(20000)
        log.rotate()
    log.compress(3)
    log.append(500)
    tokentail = Tokentail(case, log.path, case.folder / "data")
    page = tokentail.wait_page()
    for metric, name in COUNTERS.items():
        equal(page.sum(metric), gateway.expected[name], f"{metric} on the first page")
    prometheus = Prometheus(case, {"tokentail": tokentail.port})
    wait(lambda: prometheus.value("up") == 1, "the target is up", 20)
    samples = [v for _, series in prometheus.query("tokentail_log_lines_total[5m]") for _, v in series]
    equal(samples[0], gateway.expected["lines"], "the first sample in Prometheus")


def exemplars_name_the_traces_of_the_log(case):
    gateway = Gateway(5)
    log = Log(case.folder / "log/access.log", gateway)
    tokentail = Tokentail(case, log.path, case.folder / "data")
    tokentail.wait_page()
    prometheus = Prometheus(case, {"openmetrics": tokentail.port, "text": AsText(case, tokentail.port).port})
    wait(lambda: prometheus.value("sum(up)") == 2, "both targets are up", 30)
    log.append(400)

    def found():
        rows = prometheus.api(
            "query_exemplars",
            query="tokentail_request_duration_seconds_bucket",
            start=time.time() - 600,
            end=time.time() + 60,
        )
        return [(row["seriesLabels"]["job"], one["labels"]) for row in rows for one in row["exemplars"]]

    exemplars = wait(found, "Prometheus has exemplars", 20)
    equal({job for job, _ in exemplars}, {"openmetrics"}, "jobs with exemplars")
    named = {labels.get("trace_id") for _, labels in exemplars}
    require(named <= gateway.traces, f"exemplars name traces that are not in the log: {named - gateway.traces}")


CASES = [
    promtool_has_nothing_to_say_about_the_text_form_and_the_two_forms_say_the_same,
    a_real_prometheus_reads_both_forms_and_both_hold_the_values_of_the_log,
    a_restart_and_a_kill_between_scrapes_show_in_increase_exactly_what_happened,
    the_first_page_after_a_first_start_already_holds_the_history,
    exemplars_name_the_traces_of_the_log,
]
