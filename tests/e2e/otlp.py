"""Cases: spans as an OpenTelemetry Collector receives them."""

import signal
import time

from collector import Collector
from gateway import Gateway, Log
from harness import Tokentail, equal, require, wait

LINES = 100_000


def sink(case, endpoint, protocol, trace="session"):
    """A configuration file with one sink that begins at the ledger's start."""
    path = case.folder / f"sinks.{protocol.replace('/', '-')}.yaml"
    path.write_text(
        f'sinks: [{{name: collector, kind: otlp, endpoint: "{endpoint}", protocol: {protocol}, trace: {trace}, from: start}}]\n'
    )
    return path


def requests(spans):
    return [span for span in spans if span.name.startswith("chat ") or span.name == "chat"]


def sessions(spans):
    return [span for span in spans if span.name == "session"]


def check_shape(spans, lines):
    """What holds of the spans of any log: one request span a line, with times, kind, resource and scope."""
    chats = requests(spans)
    equal(len({span.id for span in chats}), lines, "different request spans")
    for span in chats:
        equal(span.kind, "client", f"kind of {span.id}")
        require(span.start <= span.end, f"{span.id} ends before it starts")
        equal(span.attributes["gen_ai.operation.name"], "chat", "operation")
        equal(span.name, f"chat {span.attributes['gen_ai.request.model']}", "name")
        equal(span.resource["service.name"], "tokentail", "service")
        equal(span.scope["name"], "tokentail", "scope")
        equal(span.status.get("code", 0) == 2, "error.type" in span.attributes, f"status of {span.id}")
    for span in sessions(spans):
        equal((span.kind, span.parent), ("internal", ""), "kind and parent of a session")
        children = [chat for chat in chats if chat.parent == span.id]
        require(children, f"session {span.id} has no requests")
        require(all(chat.trace == span.trace for chat in children), "a session's requests are in its trace")


def spans_have_the_shape_of_the_log_over_both_protocols(case):
    log = Log(case.folder / "log/access.log", Gateway(1))
    log.append(2000)
    collector = Collector(case)
    seen = []
    for protocol in ("http/protobuf", "grpc"):
        before = len(collector.spans())
        config = sink(case, collector.endpoint(protocol), protocol)
        data = case.folder / f"data-{protocol.replace('/', '-')}"
        tokentail = Tokentail(case, log.path, data, "--config", config)
        wait(lambda: len(requests(collector.spans()[before:])) >= 2000, f"2000 spans over {protocol}", 60)
        equal(tokentail.stop(), 0, "exit code")
        seen.append(collector.spans()[before:])
        check_shape(seen[-1], 2000)
    ids = [{(span.trace, span.id, span.parent) for span in requests(spans)} for spans in seen]
    equal(ids[0], ids[1], "ids over HTTP and over gRPC, from two ledgers")


def a_killed_collector_and_a_killed_sidecar_lose_no_span(case):
    log = Log(case.folder / "log/access.log", Gateway(2))
    log.append(LINES)
    data = case.folder / "data"
    collector = Collector(case)
    config = sink(case, collector.endpoint("http/protobuf"), "http/protobuf")
    tokentail = Tokentail(case, log.path, data, "--config", config)
    wait(lambda: len(collector.spans()) > LINES // 10, "a tenth of the spans", 120)
    collector.kill()
    time.sleep(2)
    collector = collector.again(case)
    wait(lambda: len(collector.spans()) > LINES // 3, "a third of the spans", 120)
    tokentail.process.send_signal(signal.SIGKILL)
    tokentail.process.wait()
    tokentail = Tokentail(case, log.path, data, "--config", config)
    wait(lambda: len({span.id for span in requests(collector.spans())}) >= LINES, "every span", 300)
    check_shape(collector.spans(), LINES)
    page = tokentail.wait_page()
    equal(page.sum("tokentail_otlp_pending_spans", sink="collector"), 0, "pending")
    equal(page.sum("tokentail_otlp_rejected_spans_total", sink="collector"), 0, "rejected")
    require(page.sum("tokentail_otlp_failed_exports_total", sink="collector") > 0, "the outage was counted")


CASES = [
    spans_have_the_shape_of_the_log_over_both_protocols,
    a_killed_collector_and_a_killed_sidecar_lose_no_span,
]
