"""What the cases stand on: processes on free ports in a folder of their own, and readers of what they answer."""

import http.client
import http.server
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse
from pathlib import Path

OPENMETRICS = "application/openmetrics-text;version=1.0.0"
TEXT = "text/plain;version=0.0.4"
SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*?)\})? (\S+)(?: [^#]*)?(?: # .*)?$")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')


class Failure(Exception):
    """A promise that does not hold."""


def require(condition, message):
    if not condition:
        raise Failure(message)


def equal(got, wanted, what):
    require(got == wanted, f"{what}: got {got}, expected {wanted}")


def wait(condition, what, seconds=30.0, pause=0.05):
    """What `condition` gives once it gives something true; a Failure after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        require(time.monotonic() < deadline, f"after {seconds:.0f} s still not: {what}")
        time.sleep(pause)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def fetch(port, path, headers=None):
    """Status, headers and body of a GET, or None where nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


class Page:
    """A page of metrics."""

    def __init__(self, body):
        self.text = body.decode()
        self.samples = []
        for line in self.text.splitlines():
            if line and not line.startswith("#"):
                match = SAMPLE.match(line)
                require(match, f"not a sample: {line!r}")
                self.samples.append((match[1], dict(LABEL.findall(match[2] or "")), float(match[3])))

    def sum(self, name, **labels):
        """The sum over all series of that name with those labels; 0 without any."""
        found = (
            value
            for sample, having, value in self.samples
            if sample == name and all(having.get(key) == wanted for key, wanted in labels.items())
        )
        return sum(found)

    def costs(self):
        """Currency → sum of the costs, rounded to what sums of doubles can be trusted with."""
        totals = {}
        for name, labels, value in self.samples:
            if name == "tokentail_cost_total":
                totals[labels["currency"]] = totals.get(labels["currency"], 0.0) + value
        return {currency: round(total, 6) for currency, total in totals.items() if total}

    def totals(self):
        """What must not depend on how the lines came in, named as in Gateway.expected."""
        return {
            "lines": self.sum("tokentail_log_lines_total"),
            "no_ai": self.sum("tokentail_log_skipped_records_total", reason="no_ai"),
            "rejected": self.sum("tokentail_log_rejected_records_total"),
            "requests": self.sum("tokentail_requests_total"),
            "errors": self.sum("tokentail_request_errors_total"),
            "input": self.sum("tokentail_input_tokens_total"),
            "output": self.sum("tokentail_output_tokens_total"),
            "cached": self.sum("tokentail_cache_read_input_tokens_total"),
            "duplicates": self.sum("tokentail_duplicate_requests_total"),
        }


class Process:
    """A program that runs until it is stopped or killed; its output goes to a file in the case's folder."""

    def __init__(self, case, name, command, **options):
        self.name = name
        self.log = case.folder / f"{name}.{len(case.processes)}.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, **options
            )
        case.processes.append(self)

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        return self.process.poll() is None

    def tail(self, lines=15):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def kill(self):
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def stop(self, seconds=15):
        """SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired as late:
            self.process.kill()
            self.process.wait()
            raise Failure(f"{self.name} did not end within {seconds} s of SIGTERM") from late


class Tokentail(Process):
    """A running `tokentail run`."""

    def __init__(self, case, log, data, *more, port=None):
        self.port = port or free_port()
        command = [case.binary, "run", "--log", f"higress={log}", "--listen", f"127.0.0.1:{self.port}"]
        super().__init__(case, "tokentail", [*command, "--data-dir", data, *more])

    def metrics(self, accept=OPENMETRICS):
        """The page, or None where it is not there (yet)."""
        answer = fetch(self.port, "/metrics", {"Accept": accept})
        return Page(answer[2]) if answer and answer[0] == 200 else None

    def wait_page(self, seconds=60):
        """The first page that it serves."""

        def page():
            require(self.alive(), f"tokentail ended by itself:\n{self.tail()}")
            return self.metrics()

        return wait(page, "/metrics answers 200", seconds, 0.005)

    def wait_lines(self, count, seconds=60):
        """The page once that many lines are counted, and that it stays at that."""

        def page():
            require(self.alive(), f"tokentail ended by itself:\n{self.tail()}")
            page = self.metrics()
            got = page.sum("tokentail_log_lines_total") if page else 0
            require(got <= count, f"counted {got:.0f} lines of {count}")
            return page if got == count else None

        try:
            wait(page, "", seconds)
        except Failure as failure:
            page = self.metrics()
            got = page.sum("tokentail_log_lines_total") if page else None
            raise Failure(f"counted {got} of {count} lines: {failure}\n{self.tail()}") from failure
        time.sleep(0.3)
        return page()

    def cpu_seconds(self):
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class AsText:
    """A proxy that asks for text 0.0.4 whatever it is asked for: Prometheus 2.42 cannot be told to."""

    def __init__(self, case, target):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                answer = fetch(target, self.path, {"Accept": TEXT})
                if answer is None:
                    self.send_error(502)
                    return
                status, headers, body = answer
                self.send_response(status)
                self.send_header("Content-Type", headers.get("Content-Type", ""))
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


class Prometheus(Process):
    """A real Prometheus that scrapes each job (name → port) every second."""

    def __init__(self, case, jobs):
        self.port = free_port()
        config = case.folder / "prometheus.yml"
        # JSON is YAML.
        scrapes = [
            {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]} for job, port in jobs.items()
        ]
        settings = {"scrape_interval": "1s", "scrape_timeout": "1s"}
        config.write_text(
            json.dumps(
                {
                    "global": settings,
                    "storage": {"exemplars": {"max_exemplars": 10000}},
                    "scrape_configs": scrapes,
                }
            )
        )
        super().__init__(
            case,
            "prometheus",
            [
                "prometheus",
                f"--config.file={config}",
                f"--storage.tsdb.path={case.folder / 'prometheus'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                "--enable-feature=exemplar-storage",
                "--log.level=warn",
            ],
        )
        wait(self.ready, "Prometheus is ready")

    def ready(self):
        require(self.alive(), f"prometheus ended by itself:\n{self.tail()}")
        answer = fetch(self.port, "/-/ready")
        return answer and answer[0] == 200

    def api(self, path, **query):
        status, _, body = fetch(self.port, f"/api/v1/{path}?{urllib.parse.urlencode(query)}")
        answer = json.loads(body)
        require(status == 200 and answer["status"] == "success", f"Prometheus says {answer}")
        return answer["data"]

    def query(self, expression):
        """A list of (labels, value), or (labels, [(time, value)]) for a range."""
        rows = []
        for row in self.api("query", query=expression)["result"]:
            if "values" in row:
                rows.append((row["metric"], [(at, float(value)) for at, value in row["values"]]))
            else:
                rows.append((row["metric"], float(row["value"][1])))
        return rows

    def value(self, expression):
        """The one value of an expression, or None without any."""
        rows = self.query(expression)
        return rows[0][1] if rows else None

    def why_down(self):
        return {
            target["labels"]["job"]: target["lastError"]
            for target in self.api("targets")["activeTargets"]
            if target["health"] != "up"
        }


class Case:
    """One case: a folder, the binary, and all that must be gone afterwards."""

    def __init__(self, binary, name):
        self.binary = binary
        self.name = name
        self.folder = Path(tempfile.mkdtemp(prefix="tokentail-e2e-"))
        self.processes = []
        self.cleanups = []
        self.figures = []

    def figure(self, text):
        """Something measured, for people; never asserted."""
        self.figures.append(text)

    def command(self, *arguments, timeout=300, **options):
        """Runs the binary to its end; a Failure unless it exits with 0."""
        done = subprocess.run(
            [str(self.binary), *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
            **options,
        )
        error = done.stderr.decode(errors="replace")
        require(done.returncode == 0, f"{arguments} exited with {done.returncode}:\n{error[-2000:]}")
        return done.stdout

    def ingest(self, data, *files):
        """The summary of `ingest --json`, after checking that its records add up."""
        summary = json.loads(self.command("ingest", "--format", "higress", "--data-dir", data, "--json", *files))
        accounted = summary["requests"] + summary["duplicates"]
        accounted += sum(summary["skipped"].values()) + sum(summary["rejected"].values())
        equal(accounted, summary["records"], "requests + skipped + rejected + duplicates")
        return summary

    def close(self):
        for process in self.processes:
            if process.alive():
                process.kill()
        for cleanup in reversed(self.cleanups):
            cleanup()
        shutil.rmtree(self.folder, ignore_errors=True)
