"""Cases: spans as an OpenTelemetry Collector receives them."""

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


def check_shape(spans, count):
    """What holds of the spans of any log: one request span a request, with times, kind, resource and scope."""
    chats = requests(spans)
    equal(len({span.id for span in chats}), count, "different request spans")
    for span in chats:
        equal(span.kind, "client", f"kind of {span.id}")
        require(span.start <= span.end, f"{span.id} ends before it starts")
        equal(span.attributes["gen_ai.operation.name"], "chat", "operation")
        equal(span.name, f"chat {span.attributes.get('gen_ai.request.model', '')}".strip(), "name")
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
    count = log.gateway.expected["requests"]
    collector = Collector(case)
    seen = []
    for protocol in ("http/protobuf", "grpc"):
        before = len(collector.spans())
        config = sink(case, collector.endpoint(protocol), protocol)
        data = case.folder / f"data-{protocol.replace('/', '-')}"
        tokentail = Tokentail(case, log.path, data, "--config", config)
        wait(lambda: len(requests(collector.spans()[before:])) >= count, f"{count} spans over {protocol}", 60)
        equal(tokentail.stop(), 0, "exit code")
        seen.append(collector.spans()[before:])
        check_shape(seen[-1], count)
    ids = [{(span.trace, span.id, span.parent) for span in requests(spans)} for spans in seen]
    equal(ids[0], ids[1], "ids over HTTP and over gRPC, from two ledgers")


def a_collector_that_comes_back_and_a_killed_sidecar_lose_no_span(case):
    log = Log(case.folder / "log/access.log", Gateway(2))
    log.append(LINES)
    count = log.gateway.expected["requests"]
    data = case.folder / "data"
    collector = Collector(case)
    config = sink(case, collector.endpoint("http/protobuf"), "http/protobuf")
    tokentail = Tokentail(case, log.path, data, "--config", config)

    def figure(name):
        page = tokentail.metrics()
        return page.sum(f"tokentail_otlp_{name}", sink="collector") if page else 0

    wait(lambda: figure("exported_spans_total") > LINES // 10, "a tenth of the spans", 60)
    # It ends in the middle, by SIGTERM: what it has acknowledged and not written would be lost by a kill, whoever sends.
    collector.stop()
    time.sleep(2)
    collector = collector.again(case)
    wait(lambda: figure("exported_spans_total") > LINES // 3, "a third of the spans", 60)
    tokentail.kill()
    tokentail = Tokentail(case, log.path, data, "--config", config)
    started = time.monotonic()
    exported = wait(lambda: figure("exported_spans_total"), "the counters go on", 60)
    wait(lambda: figure("exported_spans_total") > 0 and figure("pending_spans") == 0, "nothing waits", 120)
    sent = figure("exported_spans_total") - exported
    case.figures.append(f"{sent / (time.monotonic() - started):.0f} spans/s from the ledger to a real collector")
    equal(figure("rejected_spans_total"), 0, "rejected")
    require(figure("failed_exports_total") > 0, "the outage was counted")
    equal(tokentail.stop(), 0, "exit code")
    collector.stop()
    check_shape(collector.spans(), count)


CASES = [
    spans_have_the_shape_of_the_log_over_both_protocols,
    a_collector_that_comes_back_and_a_killed_sidecar_lose_no_span,
]
