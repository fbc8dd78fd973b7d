"""Cases: the shipped deployment files at work, without containers.

What compose.yaml puts into containers runs here as processes in namespaces of mounts and network of their own: every file is the shipped
one, unchanged, at the path where the container has it, and every name and port is that of the compose file. The demo is the gateway and
the chat service. What cannot be had without containers (cAdvisor, Tempo) is a stand-in that answers.
"""

import gzip
import http.client
import http.server
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from pathlib import Path

import yaml

from gateway import Gateway, rfc3339
from harness import Page, Process, equal, require, wait

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
# Name of a service in compose.yaml → its address here, each on one of its own, so that ports do not clash.
HOSTS = {
    "tokentail": "127.0.0.1",
    "alertmanager": "127.0.0.1",
    "cadvisor": "127.0.0.2",
    "higress": "127.0.0.3",
    "lobechat": "127.0.0.4",
    "tempo": "127.0.0.5",
}
# What the shipped scrape interval is, in seconds.
SCRAPE = 15


def in_namespaces(case, what, *arguments):
    """Runs a function of this file in namespaces of its own, as root there; its figures become the case's."""
    command = ["unshare", "--mount", "--net", "--propagation", "private", sys.executable, __file__, what, case.folder, case.binary]
    process = Process(case, what, [*command, *arguments], env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}, start_new_session=True)
    # All that it started ends with it, also where this process is ended before.
    case.cleanups.append(lambda: end_group(process.pid))
    code = process.process.wait()
    for line in process.log.read_text(errors="replace").splitlines():
        if line.startswith("figure: "):
            case.figure(line.removeprefix("figure: "))
    require(code == 0, process.tail(60))


def end_group(pid):
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def the_shipped_stack_records_every_rule_on_prometheus_2_and_3_and_a_restart_leaves_no_trace(case):
    in_namespaces(case, "stack")


def the_rotator_keeps_the_log_small_and_loses_no_line(case):
    """rotate.sh in busybox, beside a writer that holds its file open as Envoy does and opens it anew when asked."""
    folder = case.folder / "log"
    folder.mkdir()
    log = folder / "access.log"
    state = {"file": open(log, "a", encoding="ascii"), "reopened": 0, "deaf": False}
    lock = threading.Lock()

    class Admin(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            if self.path != "/reopen_logs" or state["deaf"]:
                self.send_error(503)
                return
            with lock:
                state["file"].close()
                state["file"] = open(log, "a", encoding="ascii")
                state["reopened"] += 1
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Admin)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    case.cleanups.append(server.shutdown)
    environment = os.environ | {
        "ROTATE_BYTES": "20000",
        "ROTATE_KEEP": "3",
        "ROTATE_EVERY": "0.05",
        "ENVOY_ADMIN": f"http://127.0.0.1:{server.server_address[1]}",
    }
    # Everything of busybox, as in the image.
    tools = case.folder / "tools"
    tools.mkdir()
    for name in ("sh", "sleep", "timeout", "wc", "wget", "mv", "rm"):
        (tools / name).symlink_to(shutil.which("busybox"))
    command = [tools / "sh", DEPLOY / "higress/rotate.sh", log]
    rotator = Process(case, "rotate", command, env=environment | {"PATH": str(tools)})
    written = 0
    seen = {}

    def collect():
        """Lines of files that may go, each under its first line, since files are renamed and inodes used again."""
        for path in folder.iterdir():
            try:
                with open(path, "rb") as file:
                    text = file.read()
                    seen[text[:7]] = text
            except FileNotFoundError:
                pass

    def write(lines):
        nonlocal written
        for _ in range(lines):
            with lock:
                state["file"].write(f"{written:06d} {'x' * 92}\n")
                state["file"].flush()
            written += 1
        collect()

    deadline = time.monotonic() + 60
    while state["reopened"] < 8 and time.monotonic() < deadline:
        write(20)
        time.sleep(0.02)
    require(state["reopened"] >= 8, f"the log was rotated {state['reopened']} times")
    require(rotator.alive(), f"the rotator ended:\n{rotator.tail()}")
    # Envoy does not answer: the file is renamed once and no more, the writer goes on in it, and the next start asks first.
    state["deaf"] = True
    while rotator.alive() and time.monotonic() < deadline:
        write(20)
        time.sleep(0.02)
    equal(rotator.process.returncode, 1, "exit code where Envoy does not answer")
    write(500)
    require(not log.exists(), "nothing makes a new file before Envoy does")
    state["deaf"] = False
    before = state["reopened"]
    rotator = Process(case, "rotate", command, env=environment | {"PATH": str(tools)})
    wait(lambda: state["reopened"] > before, "the next start asks Envoy to open its log")
    write(20)
    equal(rotator.stop(), 0, "exit code after SIGTERM")
    collect()
    lines = sorted(line for text in seen.values() for line in text.splitlines())
    found = [int(line[:6]) for line in lines]
    require(found == list(range(written)), f"{len(set(found))} of {written} lines are in the files that there were, {len(found)} with repetitions")
    require(len(list(folder.iterdir())) <= 4, f"too many files: {sorted(folder.iterdir())}")
    case.figure(f"{written} lines over {state['reopened']} rotations")


def the_daemonset_reads_the_logs_of_a_nodes_pods_as_the_user_and_group_that_it_has(case):
    in_namespaces(case, "pods")


CASES = [
    the_daemonset_reads_the_logs_of_a_nodes_pods_as_the_user_and_group_that_it_has,
    the_rotator_keeps_the_log_small_and_loses_no_line,
    the_shipped_stack_records_every_rule_on_prometheus_2_and_3_and_a_restart_leaves_no_trace,
]


# ---- In the namespaces -----------------------------------------------------------------------------------------------


class Inside:
    """What the case in the namespaces stands on; like harness.Case, whose processes it uses."""

    def __init__(self, folder, binary):
        self.folder = Path(folder)
        self.binary = Path(binary)
        self.processes = []
        self.cleanups = []

    def figure(self, text):
        print(f"figure: {text}", flush=True)


def sh(*command):
    subprocess.run([str(part) for part in command], check=True)


def layer(case, *folders):
    """Lays something of our own over folders of this machine, so that what we change there is ours alone."""
    sh("ip", "link", "set", "lo", "up")
    layers = case.folder / "layers"
    layers.mkdir()
    sh("mount", "-t", "tmpfs", "tmpfs", layers)
    for folder in folders:
        upper, work = layers / folder.replace("/", "-"), layers / (folder.replace("/", "-") + "-work")
        upper.mkdir()
        work.mkdir()
        sh("mount", "-t", "overlay", "overlay", "-o", f"lowerdir=/{folder},upperdir={upper},workdir={work}", f"/{folder}")


def place(case):
    """The shipped files at the paths that compose.yaml gives them."""
    layer(case, "etc", "run", "var/log", "var/lib")
    Path("/etc/hosts").write_text("127.0.0.1 localhost\n" + "".join(f"{address} {name}\n" for name, address in HOSTS.items()))
    project = json.loads(
        subprocess.run(
            ["deploycheck", "compose", str(DEPLOY / "compose/compose.yaml")],
            env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
    )
    secrets = case.folder / "secrets"
    secrets.mkdir()
    placed = set()
    for service in ("tokentail", "relay", "prometheus", "alertmanager"):
        for volume in project["services"][service]["volumes"]:
            target = Path(volume["target"])
            if volume["type"] == "bind":
                source = Path(volume["source"])
            elif volume["source"] == "secrets":
                source = secrets
            else:
                continue
            if target in placed:
                continue
            placed.add(target)
            if source.is_dir():
                target.mkdir(parents=True, exist_ok=True)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.touch()
            sh("mount", "--bind", source, target)
    # The shipped script fills the volume, with what compose.yaml hands to it.
    script = (DEPLOY / "compose/secrets.sh").read_text().replace("cd /secrets", f"cd {secrets}")
    sh("env", "-i", f"PATH={os.environ['PATH']}", *(f"{key}={value}" for key, value in project["services"]["secrets"]["environment"].items()), "busybox", "sh", "-c", script)
    return project


class Answers:
    """A stand-in for a service: its pages, or any TCP connection."""

    def __init__(self, name, port, pages):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                text = pages.get(urllib.parse.urlsplit(self.path).path)
                self.send_response(200 if text is not None else 404)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                data = (text or "").encode()
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_POST(self):
                # A receiver of traces that takes everything.
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer((HOSTS[name], port), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def forward(address, port, target):
    """Connections to address:port go to the port `target` of loopback."""
    listener = socket.create_server((address, port))

    def pump(one, other):
        try:
            while data := one.recv(65536):
                other.sendall(data)
        except OSError:
            pass
        for end in (one, other):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def serve():
        while True:
            client, _ = listener.accept()
            try:
                upstream = socket.create_connection(("127.0.0.1", target))
            except OSError:
                client.close()
                continue
            for pair in ((client, upstream), (upstream, client)):
                threading.Thread(target=pump, args=pair, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()


class Scraper(Process):
    """A Prometheus with the shipped configuration."""

    def __init__(self, case, program, name, port):
        self.port = port
        data = case.folder / name
        yesterday(case, data)
        command = [program, "--config.file=/etc/prometheus/prometheus.yml", f"--storage.tsdb.path={data}"]
        command += [f"--web.listen-address=127.0.0.1:{port}", "--enable-feature=exemplar-storage", "--log.level=warn"]
        # Blocks of yesterday are older than what is written now; nothing is to be compacted during the case.
        super().__init__(case, name, [*command, "--storage.tsdb.retention.time=15d"])
        wait(self.ready, f"{name} is ready", 60)

    def get(self, path, **query):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", path + ("?" + urllib.parse.urlencode(query) if query else ""))
        answer = connection.getresponse()
        return answer.status, answer.read()

    def ready(self):
        require(self.alive(), f"{self.name} ended by itself:\n{self.tail()}")
        try:
            return self.get("/-/ready")[0] == 200
        except OSError:
            return False

    def api(self, path, **query):
        status, body = self.get(f"/api/v1/{path}", **query)
        answer = json.loads(body)
        require(status == 200 and answer["status"] == "success", f"{self.name} says {answer}")
        return answer["data"]

    def query(self, expression):
        return self.api("query", query=expression)["result"]

    def value(self, expression):
        rows = self.query(expression)
        return float(rows[0]["value"][1]) if rows else None

    def rules(self):
        return [rule for group in self.api("rules")["groups"] for rule in group["rules"]]

    def down(self):
        """Job → why it cannot be scraped; all jobs, while Prometheus does not know them yet."""
        targets = self.api("targets")["activeTargets"]
        if not targets:
            return {"all": "not discovered yet"}
        return {target["labels"]["job"]: target["lastError"] or target["health"] for target in targets if target["health"] != "up"}

    def broken(self):
        return {rule["name"]: rule["lastError"] for rule in self.rules() if rule.get("lastError")}

    def unrecorded(self):
        """Recording rules whose series have no value now."""
        empty = []
        for rule in self.rules():
            if rule["type"] == "recording":
                labels = ",".join(f"{key}={json.dumps(value)}" for key, value in rule.get("labels", {}).items() if key != "grafana")
                series = f"{rule['name']}{{{labels}}}"
                if not self.query(series):
                    empty.append(series)
        return empty


def yesterday(case, data):
    """What one rule needs of a Prometheus that ran yesterday as well: the cost of that hour. All other series are the stack's own."""
    now = int(time.time())
    text = ["# TYPE gateway_currency:tokentail_cost:increase1h gauge"]
    for at in range(now - 86400 - 1200, now - 86400 + 3600, 60):
        text.append(f'gateway_currency:tokentail_cost:increase1h{{gateway="higress",currency="USD"}} 1 {at}')
    source = case.folder / "yesterday.txt"
    source.write_text("\n".join([*text, "# EOF\n"]))
    subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", str(source), str(data)], check=True, stdout=subprocess.DEVNULL)


CADVISOR = """# TYPE container_memory_working_set_bytes gauge
container_memory_working_set_bytes{id="/docker/1",image="tokentail:0.1.0",name="tokentail-tokentail-1"} 6e+07
# TYPE container_spec_memory_limit_bytes gauge
container_spec_memory_limit_bytes{id="/docker/1",image="tokentail:0.1.0",name="tokentail-tokentail-1"} 2.68435456e+08
"""


class Sidecar(Process):
    """tokentail as compose.yaml runs it."""

    def __init__(self, case, project):
        command = project["services"]["tokentail"]["command"]
        state = case.folder / "state"
        state.mkdir(exist_ok=True)
        environment = {"STATE_DIRECTORY": str(state), "TOKENTAIL_LISTEN": "0.0.0.0:13210", "PATH": os.environ["PATH"]}
        super().__init__(case, "tokentail", [case.binary, *command], env=environment)

    def page(self):
        require(self.alive(), f"tokentail ended by itself:\n{self.tail()}")
        return read_page()


def read_page():
    """tokentail's page, or None where it is not there (yet)."""
    try:
        connection = http.client.HTTPConnection("localhost", 13210, timeout=10)
        connection.request("GET", "/metrics", headers={"Accept": "text/plain;version=0.0.4"})
        answer = connection.getresponse()
        body = answer.read()
        return Page(body) if answer.status == 200 else None
    except (OSError, http.client.HTTPException):
        return None


def stack(case):
    project = place(case)
    demo_folder = case.folder / "demo"
    demo_folder.mkdir()
    # The demo runs a tokentail of its own; here it is only the gateway and the chat service.
    command = [case.binary, "demo", "--listen", "127.0.0.1:13999", "--seed", "7"]
    demo = Process(case, "demo", command, env=os.environ | {"TMPDIR": str(demo_folder)})
    said = wait(lambda: re.search(r"chat +http://127\.0\.0\.1:(\d+)/", demo.log.read_text()), "the demo says where its chat service is", 120)
    (log,) = wait(lambda: list(demo_folder.glob("*/log/*.log")), "the demo's log", 60)
    Path("/var/log/proxy").mkdir()
    sh("mount", "--bind", log.parent, "/var/log/proxy")
    equal(log.name, "access.log", "name of the demo's log")
    forward(HOSTS["lobechat"], 3210, int(said[1]))
    forward(HOSTS["higress"], 8080, int(said[1]))
    Answers("cadvisor", 8080, {"/metrics": CADVISOR})
    Answers("tempo", 3200, {"/metrics": "# TYPE tempo_up gauge\ntempo_up 1\n"})
    Answers("tempo", 4318, {})

    tokentail = Sidecar(case, project)
    relay = Process(
        case,
        "relay",
        [case.binary, *project["services"]["relay"]["command"]],
        env={"TOKENTAIL_LISTEN": project["services"]["relay"]["environment"]["TOKENTAIL_LISTEN"], "PATH": os.environ["PATH"]},
    )
    options = [part for part in project["services"]["alertmanager"]["command"] if not part.startswith("--storage.path")]
    alertmanager = Process(
        case, "alertmanager", ["prometheus-alertmanager", *options, f"--storage.path={case.folder / 'am'}", "--log.level=error"]
    )
    wait(tokentail.page, "tokentail has read the history", 120)
    began = time.monotonic()
    prometheuses = [Scraper(case, "prometheus", "prometheus-2", 9090), Scraper(case, "prometheus3", "prometheus-3", 9099)]

    restart(case, project, tokentail, prometheuses)

    deadline = time.monotonic() + 420
    while True:
        empty = {prometheus.name: prometheus.unrecorded() for prometheus in prometheuses}
        if not any(empty.values()):
            break
        require(time.monotonic() < deadline, f"recording rules without a value: {empty}")
        time.sleep(5)
    case.figure(f"every recording rule had a value {time.monotonic() - began:.0f} s after Prometheus began, at the shipped intervals")
    for prometheus in prometheuses:
        name = prometheus.name
        equal(prometheus.broken(), {}, f"{name}: rules that end in an error")
        equal(prometheus.value('sum(prometheus_rule_evaluation_failures_total{instance="localhost:9090"})'), 0, f"{name}: failures of rules")
        equal(prometheus.down(), {}, f"{name}: targets that are down")
        complaints = [line for line in prometheus.log.read_text(errors="replace").splitlines() if re.search(r"many-to-many|duplicate|same labelset|Evaluating rule|out.of.order", line, re.I)]
        equal(complaints, [], f"{name}: complaints in its log")
        wait(lambda p=prometheus: p.api("alertmanagers")["activeAlertmanagers"], f"{name} knows Alertmanager")
    rules = [rule for rule in prometheuses[0].rules() if rule["type"] == "recording"]
    case.figure(f"{len(rules)} recording rules, {len(prometheuses[0].rules()) - len(rules)} alerts, each on both")
    equal([rule["name"] for rule in prometheuses[1].rules()], [rule["name"] for rule in prometheuses[0].rules()], "rules on Prometheus 3")

    def watchdog():
        connection = http.client.HTTPConnection("alertmanager", 9093, timeout=10)
        connection.request("GET", "/api/v2/alerts")
        return "TokentailWatchdog" in {alert["labels"]["alertname"] for alert in json.loads(connection.getresponse().read())}

    wait(watchdog, "Alertmanager has the watchdog's alert", 60)
    # The relay is asked with the token that the shipped script drew, and knows the receivers that Alertmanager's file names.
    for receiver in set(re.findall(r":13211/alerts/(\w+)", (ROOT / "alerts/alertmanager.yml").read_text())):
        connection = http.client.HTTPConnection("alertmanager", 13211, timeout=10)
        connection.request("POST", f"/alerts/{receiver}", b"{}", {"Authorization": "Bearer " + Path("/etc/alertmanager/secrets/relay_token").read_text()})
        equal(connection.getresponse().status, 400, f"status of the relay for what is no notification to {receiver}")
    for process in (relay, alertmanager, demo):
        require(process.alive(), f"{process.name} ended:\n{process.tail()}")


def restart(case, project, tokentail, prometheuses):
    """SIGTERM and a start, and a kill -9 and a start, each between two scrapes: no sample is missing, no counter falls or jumps."""
    counter = "tokentail_requests_total"
    deadline = time.monotonic() + 60
    while down := {prometheus.name: prometheus.down() for prometheus in prometheuses if prometheus.down()}:
        require(time.monotonic() < deadline, f"targets that are down: {down}")
        time.sleep(1)
    first = time.time()
    for how in ("SIGTERM", "kill -9"):
        # Both scrape at the same places of the interval, since these follow from the target; right after the later one is the most time.
        time.sleep(SCRAPE + 1)
        moments = []
        for prometheus in prometheuses:
            (row,) = prometheus.query('timestamp(up{job="tokentail"})')
            moments.append(float(row["value"][1]))
        target = next_gap(moments)
        time.sleep(max(0.0, target - time.time()))
        began = time.monotonic()
        if how == "SIGTERM":
            equal(tokentail.stop(), 0, "exit code after SIGTERM")
        else:
            tokentail.kill()
        tokentail = Sidecar(case, project)
        wait(tokentail.page, "tokentail answers again", 30, 0.02)
        case.figure(f"{how}: it answered again {time.monotonic() - began:.2f} s later")
    time.sleep(2 * SCRAPE + 1)
    span = int(time.time() - first) + SCRAPE
    for prometheus in prometheuses:
        name = prometheus.name
        (row,) = prometheus.query(f'up{{job="tokentail"}}[{span}s]')
        times = [at for at, _ in row["values"]]
        equal({value for _, value in row["values"]}, {"1"}, f"{name}: values of up")
        gaps = [after - before for before, after in zip(times, times[1:], strict=False)]
        require(len(gaps) >= 4 and max(gaps) < SCRAPE + 1, f"{name}: a gap of {max(gaps):.1f} s between scrapes")
        counters = prometheus.query(f'{{__name__=~"tokentail_.+_(total|bucket|count|sum)", job="tokentail"}}[{span}s]')
        fell = sum(
            float(after) < float(before)
            for series in counters
            for (_, before), (_, after) in zip(series["values"], series["values"][1:], strict=False)
        )
        require(len(counters) > 500, f"{name}: only {len(counters)} series of counters")
        equal(fell, 0, f"{name}: counters that fell")
        grown = 0.0
        sums = {}
        for series in prometheus.query(f"{counter}[{span}s]"):
            for at, value in series["values"]:
                sums[at] = sums.get(at, 0.0) + float(value)
            values = [float(value) for _, value in series["values"]]
            grown += values[-1] - values[0]
        steps = [sums[after] - sums[before] for before, after in zip(sorted(sums), sorted(sums)[1:], strict=False)]
        most = max(steps)
        # The demo writes some one to four requests a second; the history, of a hundred thousand, would be a jump.
        require(0 < most < 20 * SCRAPE, f"{name}: {counter} jumped by {most}")
        told = prometheus.value(f"sum(increase({counter}[{span}s]))")
        # increase() goes up to the ends of the window, at most by one interval and a half at each.
        bound = grown * (1 + 3 * SCRAPE / (times[-1] - times[0])) + len(prometheus.query(counter))
        require(grown * 0.99 <= told <= bound, f"{name}: increase() says {told:.1f}, the counters rose by {grown}")
        case.figure(f"{name}: {len(times)} scrapes over two restarts, none missing; increase() {told:.1f} for {grown:.0f} requests counted, {len(counters)} series of counters and none fell")


def next_gap(moments):
    """The next moment just after a scrape that leaves the longest time before the following one."""
    now = time.time()
    offsets = sorted(moment % SCRAPE for moment in moments)
    spans = [((later - earlier) % SCRAPE or SCRAPE, earlier) for earlier, later in zip(offsets, offsets[1:] + offsets[:1], strict=True)]
    _, start = max(spans)
    wanted = start + 0.3
    return now + (wanted - now % SCRAPE) % SCRAPE


def pods(case):
    """The kubelet's folders as containerd leaves them: of root, log files 0640, lines wrapped; the shipped configuration and user."""
    layer(case, "etc", "var/log", "var/lib")
    gateway = Gateway(31)
    (template,) = (item["spec"]["template"]["spec"] for item in yaml.safe_load_all((DEPLOY / "kubernetes/base/daemonset.yaml").read_text()))
    shutil.copytree(DEPLOY / "kubernetes/base", "/etc/tokentail")

    def wrapped(count):
        return "".join(f"{rfc3339(time.time())[:-1]}000000Z stdout F {line}\n" for line in gateway.lines(count).splitlines())

    def pod(name):
        folder = Path(f"/var/log/pods/higress-system_higress-gateway-{name}/higress-gateway")
        folder.mkdir(parents=True)
        return folder / "0.log"

    def put(path, text):
        with open(path, "a", encoding="utf-8") as file:
            file.write(text)
        path.chmod(0o640)

    first = pod("7c9d8_5d1f")
    put(first, wrapped(300))
    # Rotated and compressed by the kubelet before tokentail came.
    old = first.with_name("0.log.20261101-093015.gz")
    with gzip.open(old, "wt", encoding="utf-8") as file:
        file.write(wrapped(200))
    old.chmod(0o640)
    # Somebody else's pod is none of ours.
    other = Path("/var/log/pods/default_web-1_77aa/web/0.log")
    other.parent.mkdir(parents=True)
    put(other, "2026-11-01T09:30:15.000000000Z stdout F hello\n")
    ledger = Path("/var/lib/tokentail")
    ledger.mkdir()
    # What the init container does, and the user and groups of the pod.
    (own,) = template["initContainers"]
    sh(*own["command"])
    user = template["securityContext"]
    options = [f"--reuid={user['runAsUser']}", f"--regid={user['runAsGroup']}", "--groups=" + ",".join(map(str, user["supplementalGroups"]))]
    command = ["setpriv", *options, "--bounding-set=-all", "--no-new-privs", case.binary, *template["containers"][0]["args"]]
    environment = {"STATE_DIRECTORY": str(ledger), "TOKENTAIL_LISTEN": "0.0.0.0:13210", "PATH": os.environ["PATH"]}
    tokentail = Process(case, "tokentail", command, env=environment)
    page = counted(tokentail, gateway)
    equal(page.sum("tokentail_log_rejected_records_total"), 0, "rejected lines")
    # The kubelet renames and begins anew; and another gateway pod comes to the node.
    first.rename(first.with_name("0.log.20261101-103015"))
    put(first, wrapped(150))
    second = pod("7c9d8_9e2b")
    put(second, wrapped(250))
    page = counted(tokentail, gateway)
    equal({labels["gateway"] for name, labels, _ in page.samples if name == "tokentail_requests_total"}, {"higress"}, "gateways of two pods")
    # The first pod goes, with its folder.
    shutil.rmtree(first.parent.parent)
    put(second, wrapped(100))
    page = counted(tokentail, gateway)
    for name, labels, value in page.samples:
        require(name != "tokentail_log_lost_bytes_total" or not value, f"lost bytes: {labels} {value}")
    equal(tokentail.stop(), 0, "exit code after SIGTERM")
    equal({path.stat().st_uid for path in ledger.iterdir()}, {user["runAsUser"]}, "owners of the ledger's files")
    case.figure(f"{gateway.expected['lines']} lines of two pods, rotated, compressed and deleted ones among them, read as user {user['runAsUser']} with group 0")


def counted(tokentail, gateway):
    """The page once it has counted all that the gateway wrote."""
    page = None
    deadline = time.monotonic() + 60
    while not page or page.sum("tokentail_log_lines_total") != gateway.expected["lines"]:
        require(tokentail.alive(), f"tokentail ended by itself:\n{tokentail.tail()}")
        got = page and page.sum("tokentail_log_lines_total")
        require(time.monotonic() < deadline, f"counted {got} of {gateway.expected['lines']} lines:\n{tokentail.tail()}")
        time.sleep(0.1)
        page = read_page()
    return page


def main():
    what, folder, binary = sys.argv[1:4]
    case = Inside(folder, binary)
    try:
        {"stack": stack, "pods": pods}[what](case)
    except Exception:
        for process in case.processes:
            print(f"--- last lines of {process.log.name}:\n{process.tail(8)}")
        sys.stdout.flush()
        raise
    finally:
        for process in case.processes:
            if process.alive():
                process.kill()


if __name__ == "__main__":
    main()
