"""Cases: every query of every board is answered by a real Prometheus that scrapes the real binary, and many models and consumers stay readable."""

import http.server
import json
import math
import os
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

from collector import Collector
from gateway import OUTER, rfc3339
from harness import Failure, Process, Prometheus, Tokentail, equal, fetch, free_port, require, wait

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "grafana/source"))

import filled

# Targets that have nothing to show in the demo, and why. Whatever else is empty is a failure.
NOT_DUE = {
    ("tokentail-sla", "Targets", "H"): "the demo's chat service speaks no TLS",
}
# Targets whose series are of OTHERS: with every variable picked by hand they are of another instance than the one picked.
OF_OTHERS = {("tokentail-sla", "What looks cost", "A"), *(("tokentail-sla", "Tokens of looks", query) for query in "ABCD")}
# Series of others, of a relay and of a probe that asks a model, which the demo does not run.
OTHERS = """
container_memory_working_set_bytes{{namespace="ai",pod="gateway-0",container="gateway",image="g:1"}} {wave}
container_spec_memory_limit_bytes{{namespace="ai",pod="gateway-0",container="gateway",image="g:1"}} 2147483648
container_memory_working_set_bytes{{name="lobe-chat",image="c:1"}} {wave}
container_spec_memory_limit_bytes{{name="lobe-chat",image="c:1"}} 1073741824
tokentail_alert_notifications_total{{receiver="ops",outcome="delivered"}} {count}
tokentail_alert_notifications_total{{receiver="ops",outcome="failed"}} 0
tokentail_probe_cost_total{{target="completion",currency="CNY"}} {count}
tokentail_probe_input_tokens_total{{target="completion"}} {count}
tokentail_probe_output_tokens_total{{target="completion"}} {count}
tokentail_probe_unpriced_tokens_total{{target="completion"}} 0
tokentail_probe_usage_missing_total{{target="completion"}} 0
"""
MODELS, CONSUMERS = 30, 150


class Exporter:
    """A target that exposes OTHERS."""

    def __init__(self, case):
        begun = time.monotonic()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                passed = time.monotonic() - begun
                body = OTHERS.format(wave=int(6e8 + 1e8 * math.sin(passed / 10)), count=int(passed / 5)).lstrip().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        case.cleanups.append(self.server.shutdown)


def remember_yesterday(case, instance):
    """Puts a day of requests into Prometheus's folder: a case has no whole hour to wait for."""
    now, lines = time.time(), []
    for at in range(int(now) - 26 * 3600, int(now) - 600, 600):
        lines.append(f'tokentail_requests_total{{job="tokentail",instance="{instance}",gateway="higress",route="ai-route-chat.internal",consumer="chat-web"}} {at - now + 1e6:.0f} {at}')
    samples = case.folder / "samples.txt"
    samples.write_text("\n".join([*lines, "# EOF", ""]))
    folder = case.folder / "prometheus"
    folder.mkdir()
    subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", samples, folder], check=True, stdout=subprocess.DEVNULL)


def is_data(rows):
    return any(not math.isnan(value) for _, points in rows for _, value in points)


def missing(source, began, chosen):
    """Queries that have no data and should, by board; a query that Prometheus refuses is a failure at once."""
    found, asked = [], 0
    for uid, document in filled.documents().items():
        view = filled.View(document, source, began, time.time(), chosen)
        for variable in document["templating"]["list"]:
            if variable["type"] == "query" and not view.offered[variable["name"]]:
                found.append(f"{uid}: the variable {variable['name']} offers nothing")
        for panel, scoped, _ in view.panels():
            for target in panel.get("targets", ()):
                asked += 1
                rows = view.ask(panel, target, scoped)
                rest = target["legendFormat"] == "other"
                this = (uid, panel["title"], target["refId"])
                due = this not in NOT_DUE and not (chosen == "each" and this in OF_OTHERS)
                if not rest and due and not is_data(rows):
                    found.append(f"{uid}: {panel['title']} {target['refId']} {scoped or ''}: {view.expression(panel, target, scoped)[0]}")
        for annotation in document["annotations"]["list"]:
            if "expr" in annotation:
                source.api("query_range", query=view.filled(annotation["expr"]), start=began, end=time.time(), step=15)
    return found, asked


def every_query_of_every_board_has_data(case):
    collector = Collector(case)
    port = free_port()
    folder = case.folder / "tmp"
    folder.mkdir()
    demo = Process(
        case,
        "demo",
        [case.binary, "demo", "--listen", f"127.0.0.1:{port}", "--seed", "7"],
        env=os.environ | {"TMPDIR": str(folder), "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint("http/protobuf")},
    )

    def answers():
        require(demo.alive(), f"the demo ended by itself:\n{demo.tail()}")
        page = fetch(port, "/metrics")
        return page and page[0] == 200 and b'tokentail_log_catching_up{source="higress"} 0' in page[2]

    wait(answers, "the demo has read its history", 180, 0.5)
    remember_yesterday(case, f"127.0.0.1:{port}")
    prometheus = Prometheus(case, {"tokentail": port, "others": Exporter(case).port})
    source = filled.Source(f"http://127.0.0.1:{prometheus.port}", scrape=1)
    began = time.time()
    for chosen in ("default", "each"):
        deadline = time.monotonic() + 300
        last = []
        while True:
            found, asked = missing(source, began, chosen)
            if not found:
                break
            last = [text.splitlines()[0][:80] for text in found]
            require(time.monotonic() < deadline, f"no data with the variables at {chosen}:\n" + "\n".join(found))
            time.sleep(5)
        case.figure(f"{asked} queries with the variables at {chosen}, all answered {time.time() - began:.0f} s after the first scrape; the last: {last[:3]}")

    def traces():
        """The curves and heat maps that promise exemplars, and those that have none yet."""
        without, found = [], 0
        for uid, document in filled.documents().items():
            view = filled.View(document, source, began, time.time())
            for panel, scoped, _ in view.panels():
                for target in panel.get("targets", ()):
                    if target.get("exemplar"):
                        given = view.exemplars(panel, target, scoped)
                        found += len(given)
                        if not any(len(exemplar["labels"].get("trace_id", "")) == 32 for exemplar in given):
                            without.append(f"{uid}: {panel['title']}")
        return found if found and not without else None

    case.figure(f"{wait(traces, 'every panel with exemplars has one that names a trace', 120, 2)} exemplars lead to traces")


def lines(count, seconds):
    """One line for each model and consumer, `count` times."""
    out = []
    for number in range(count):
        for model in range(MODELS):
            for consumer in range(CONSUMERS):
                if (model + consumer + number) % 3:
                    continue
                ai_log = {"api": "-", "chat_id": f"c-{uuid.uuid4()}", "chat_round": 1, "consumer": f"app-{consumer:03d}", "input_token": 100 + model,
                          "llm_first_token_duration": 100 + model, "llm_service_duration": 900, "model": f"model-{model:02d}",
                          "output_token": 50 + consumer, "response_type": "stream", "session_id": f"s-{consumer}",
                          "total_token": 150 + model + consumer}
                text = json.dumps(ai_log).replace('"', '\\"')
                at = rfc3339(seconds - 2)
                out.append(OUTER % (text, 900, 1, 1000, uuid.uuid4(), 200, "-", at, "-", f"provider-{model:02d}"))
    return "\n".join(out) + "\n"


def thirty_models_and_a_hundred_and_fifty_consumers_stay_readable(case):
    log = case.folder / "access.log"
    prices = case.folder / "prices.yaml"
    prices.write_text(json.dumps({"currency": "USD", "prices": [{"model": f"model-{n:02d}", "input": 1 + n, "output": 2 + n} for n in range(MODELS)]}))
    config = case.folder / "tokentail.yaml"
    config.write_text(json.dumps({"cost": {"prices": [str(prices)]}}))
    log.write_text(lines(1, time.time()))
    tokentail = Tokentail(case, log, case.folder / "data", "--config", config)
    written = MODELS * CONSUMERS // 3
    tokentail.wait_lines(written)
    prometheus = Prometheus(case, {"tokentail": tokentail.port})
    source = filled.Source(f"http://127.0.0.1:{prometheus.port}", scrape=1)
    began = time.time()
    wait(lambda: prometheus.value("sum(tokentail_requests_total)") == written, "the first lines are scraped")
    time.sleep(2)
    for _ in range(3):
        with open(log, "a") as out:
            out.write(lines(1, time.time()))
        written += MODELS * CONSUMERS // 3
        wait(lambda: prometheus.value("sum(tokentail_requests_total)") == written, "further lines are scraped")
    time.sleep(2)
    end = time.time()
    others, most = 0, ("", 0)
    for uid, document in filled.documents().items():
        view = filled.View(document, source, began, end)
        largest = int(view.values.get("top", 8))
        for panel, scoped, _ in view.panels():
            if panel["type"] not in ("timeseries", "bargauge", "stat"):
                continue
            answers = [(target, view.ask(panel, target, scoped)) for target in panel["targets"]]
            names = {filled.legend(target, labels) for target, rows in answers for labels, _ in rows}
            require(len(names) <= 2 * largest, f"{uid}: {panel['title']} draws {len(names)} series: {sorted(names)[:30]}")
            most = max(most, (f"{uid}: {panel['title']}", len(names)), key=lambda pair: pair[1])
            if "other" not in names:
                continue
            others += 1
            # Nothing is left out and nothing is counted twice.
            require(len(names) == largest + 1, f"{uid}: {panel['title']} draws {sorted(names)}, expected {largest} and the rest")
            drawn = sum(points[-1][1] for _, rows in answers for _, points in rows)
            if (uid, panel["title"]) == ("tokentail-overview", "Requests by model"):
                whole = panel["targets"][0] | {"expr": 'sum(rate(tokentail_requests_total{job=~"$job", instance=~"$instance"}[$__rate_interval]))'}
                total = view.ask(panel, whole, scoped)[0][1][-1][1]
                require(abs(drawn - total) <= 1e-6 * max(1, total), f"the {largest} largest and the rest are {drawn}, all are {total}")
    require(others >= 6, f"only {others} panels sum up a rest")
    case.figure(f"{others} panels draw the largest and the rest; the most series are {most[1]} ({most[0]})")


CASES = [every_query_of_every_board_has_data, thirty_models_and_a_hundred_and_fifty_consumers_stay_readable]
