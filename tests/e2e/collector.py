"""An OpenTelemetry Collector that writes down what it receives, and readers of that: built by nobody here (.ci/install)."""

import json

from harness import Failure, Process, free_port, require, wait

# Nothing is batched or dropped on the way: what the receiver has acknowledged is in the file.
SETTINGS = """
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: "127.0.0.1:{grpc}"}}
      http: {{endpoint: "127.0.0.1:{http}"}}
exporters:
  file: {{path: "{path}", append: true, flush_interval: 100ms}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [file]}}
"""

KINDS = {1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}


class Collector(Process):
    """A running collector. Its ports may be given, so that one can be started again in the place of another."""

    def __init__(self, case, http=None, grpc=None, path=None):
        self.http = http or free_port()
        self.grpc = grpc or free_port()
        self.path = path or case.folder / "spans.jsonl"
        settings = case.folder / f"collector.{self.http}.yaml"
        settings.write_text(SETTINGS.format(http=self.http, grpc=self.grpc, path=self.path))
        super().__init__(case, "otelcol", ["otelcol", "--config", f"file:{settings}"])
        wait(self.started, "the collector takes spans", 60)

    def started(self):
        require(self.alive(), f"the collector ended by itself:\n{self.tail()}")
        return "Everything is ready" in self.log.read_text(errors="replace")

    def again(self, case):
        """A new one after this one has ended, on the same ports and file."""
        return Collector(case, self.http, self.grpc, self.path)

    def endpoint(self, protocol):
        return f"http://127.0.0.1:{self.grpc if protocol == 'grpc' else self.http}"

    def spans(self):
        return read(self.path)


def read(path):
    """All spans of the file, in the order of arrival. A line that a kill cut short was never acknowledged."""
    found = []
    if not path.exists():
        return found
    for line in path.read_text().splitlines():
        try:
            document = json.loads(line)
        except json.JSONDecodeError:
            continue
        for resource in document["resourceSpans"]:
            for scope in resource["scopeSpans"]:
                for span in scope["spans"]:
                    found.append(Span(span, resource, scope))
    return found


class Span:
    """A span as the collector understood it."""

    def __init__(self, span, resource, scope):
        self.trace = span["traceId"]
        self.id = span["spanId"]
        self.parent = span.get("parentSpanId", "")
        self.name = span["name"]
        self.kind = KINDS.get(span.get("kind"), "")
        self.start = int(span["startTimeUnixNano"])
        self.end = int(span["endTimeUnixNano"])
        self.attributes = attributes(span)
        self.status = span.get("status", {})
        self.events = [(event["name"], attributes(event)) for event in span.get("events", [])]
        self.links = [(link["traceId"], link.get("spanId", "")) for link in span.get("links", [])]
        self.resource = attributes(resource["resource"])
        self.scope = scope["scope"]


def attributes(holder):
    return {pair["key"]: value(pair["value"]) for pair in holder.get("attributes", [])}


def value(wrapped):
    """A value of OTLP's JSON form, in which whole numbers are text."""
    for kind, read_one in (
        ("stringValue", str),
        ("intValue", int),
        ("doubleValue", float),
        ("boolValue", bool),
        ("arrayValue", lambda array: [value(one) for one in array.get("values", [])]),
    ):
        if kind in wrapped:
            return read_one(wrapped[kind])
    raise Failure(f"not a value of an attribute: {wrapped}")
