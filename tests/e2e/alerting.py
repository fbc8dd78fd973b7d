"""A case: a chat service goes down, and the shipped rules, Alertmanager and `tokentail relay` bring it to a DingTalk robot."""

import base64
import hashlib
import hmac
import http.server
import json
import re
import threading
import time
import urllib.parse
from pathlib import Path

from harness import Process, Prometheus, Tokentail, equal, fetch, free_port, require, wait

ALERTS = Path(__file__).resolve().parents[2] / "alerts"
SECRET = "SEC-of-the-end-to-end-test"
TOKEN = "token-of-the-end-to-end-test"


class Answering:
    """A server of this process whose POSTs and GETs go to functions; it may be taken down and come back on its port."""

    def __init__(self, case, handle):
        self.handle = handle
        self.port = 0
        self.server = None
        self.start()
        case.cleanups.append(self.stop)

    def start(self):
        handle = self.handle

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, text = handle(self.path, body)
                data = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = answer

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None


class Robot(Answering):
    """A made-up DingTalk robot: checks the signature as DingTalk documents it, and keeps what was said."""

    def __init__(self, case):
        self.messages = []
        self.refused = []
        super().__init__(case, self.hear)

    def hear(self, path, body):
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(path).query))
        stamp = query.get("timestamp", "")
        digest = hmac.new(SECRET.encode(), f"{stamp}\n{SECRET}".encode(), hashlib.sha256).digest()
        signed = hmac.compare_digest(query.get("sign", ""), base64.b64encode(digest).decode())
        fresh = stamp.isdigit() and abs(time.time() * 1000 - int(stamp)) < 3_600_000
        if not signed or not fresh or query.get("access_token") != "robot":
            self.refused.append(path)
            # DingTalk refuses with the status 200.
            return 200, json.dumps({"errcode": 310000, "errmsg": "sign not match"})
        self.messages.append(json.loads(body))
        return 200, json.dumps({"errcode": 0, "errmsg": "ok"})

    def said(self, *words):
        """The texts so far that hold each of the words, whatever their case."""
        texts = (f"{m['markdown']['title']}\n{m['markdown']['text']}" for m in self.messages if "markdown" in m)
        return [text for text in texts if all(word.lower() in text.lower() for word in words)]


def replaced(text, *pairs):
    """The text with each pattern replaced; a Failure where one is not found, so that the shipped file cannot drift."""
    for pattern, new in pairs:
        text, count = re.subn(pattern, lambda _, new=new: new, text)
        require(count, f"nothing in the shipped file matches {pattern}")
    return text


class AlertingPrometheus(Prometheus):
    """Prometheus with the shipped rules, every second, and an Alertmanager."""

    def __init__(self, case, jobs, alertmanager):
        rules = case.folder / "rules"
        rules.mkdir()
        for path in (ALERTS / "rules").glob("*.yaml"):
            (rules / path.name).write_text(re.sub(r"(?m)^(    interval:) .*$", r"\1 1s", path.read_text()))
        self.port = free_port()
        config = case.folder / "prometheus.yml"
        config.write_text(
            json.dumps(
                {
                    "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
                    "rule_files": [str(rules / "*.yaml")],
                    "alerting": {
                        "alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager}"]}]}]
                    },
                    "scrape_configs": [
                        {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
                        for job, port in jobs.items()
                    ],
                }
            )
        )
        Process.__init__(
            self,
            case,
            "prometheus",
            [
                "prometheus",
                f"--config.file={config}",
                f"--storage.tsdb.path={case.folder / 'prometheus'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                # Resolved alerts end soon also when Prometheus could not say so.
                "--rules.alert.resend-delay=1s",
                "--log.level=warn",
            ],
        )
        wait(self.ready, "Prometheus is ready")

    def firing(self):
        return {alert["labels"]["alertname"] for alert in self.api("alerts")["alerts"] if alert["state"] == "firing"}

    def broken_rules(self):
        groups = self.api("rules")["groups"]
        return {rule["name"]: rule["lastError"] for group in groups for rule in group["rules"] if rule.get("lastError")}


class Alertmanager(Process):
    """A real Alertmanager with the shipped configuration, its waits shortened and its addresses those of the case."""

    def __init__(self, case, relay, switch, token):
        self.port = free_port()
        secrets = case.folder / "secrets"
        secrets.mkdir()
        (secrets / "slack_url").write_text("http://127.0.0.1:9/slack")
        (secrets / "smtp_password").write_text("none")
        text = replaced(
            (ALERTS / "alertmanager.yml").read_text(),
            (r"group_wait: .*", "group_wait: 1s"),
            (r"group_interval: .*", "group_interval: 1s"),
            (r"/etc/alertmanager/secrets/relay_token", str(token)),
            (r"/etc/alertmanager/secrets", str(secrets)),
            (r"127\.0\.0\.1:13211", f"127.0.0.1:{relay}"),
            (r"https://dead-mans-switch\.example", f"http://127.0.0.1:{switch}"),
            (r"mail\.example:587", "127.0.0.1:9"),
        )
        config = case.folder / "alertmanager.yml"
        config.write_text(text)
        super().__init__(
            case,
            "alertmanager",
            [
                "prometheus-alertmanager",
                f"--config.file={config}",
                f"--storage.path={case.folder / 'alertmanager'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                "--cluster.listen-address=",
                "--log.level=warn",
            ],
        )

        def ready():
            require(self.alive(), f"alertmanager ended by itself:\n{self.tail()}")
            answer = fetch(self.port, "/-/ready")
            return answer and answer[0] == 200

        wait(ready, "Alertmanager is ready")


def a_service_that_goes_down_is_told_to_a_dingtalk_robot_and_its_return_too(case):
    folder = case.folder
    robot = Robot(case)
    pings = []
    switch = Answering(case, lambda path, body: (pings.append(path), (200, "{}"))[1])
    service = Answering(case, lambda path, body: (200, '{"status":"ok"}'))
    relay_port = free_port()
    token = folder / "relay_token"
    token.write_text(TOKEN)
    (folder / "robot_url").write_text(f"http://127.0.0.1:{robot.port}/robot/send?access_token=robot")
    (folder / "robot_secret").write_text(SECRET)
    (folder / "log").mkdir()
    receivers = [
        {
            "name": name,
            "kind": "dingtalk",
            "url_file": str(folder / "robot_url"),
            "secret_file": str(folder / "robot_secret"),
            "language": "en",
        }
        # The shipped Alertmanager posts to these three; one robot stands for all of them here.
        for name in ("dingtalk", "wecom", "feishu")
    ]
    config = folder / "tokentail.yml"
    config.write_text(
        json.dumps(
            {
                "probes": [
                    {
                        "name": "chat",
                        "kind": "http",
                        "url": f"http://127.0.0.1:{service.port}/api/v1/health",
                        "interval": "1s",
                        "timeout": "500ms",
                        "expect_status": [200],
                    }
                ],
                "relay": {"listen": f"127.0.0.1:{relay_port}", "token_file": str(token), "receivers": receivers},
            }
        )
    )
    tokentail = Tokentail(case, folder / "log/access.log", folder / "data", "--config", config)
    tokentail.wait_page()
    relay = Process(case, "relay", [case.binary, "relay", "--config", config])
    wait(lambda: fetch(relay_port, "/-/healthy"), "the relay listens")
    alertmanager = Alertmanager(case, relay_port, switch.port, token)
    prometheus = AlertingPrometheus(case, {"tokentail": tokentail.port}, alertmanager.port)
    up = 'tokentail_target_up{target="chat"}'
    wait(lambda: prometheus.value(up) == 1, "the service is seen as up")
    wait(lambda: pings, "the dead man's switch hears the watchdog")
    equal(prometheus.broken_rules(), {}, "rules that end in an error")

    # A restart pages nobody.
    equal(tokentail.stop(), 0, "exit code after SIGTERM")
    tokentail = Tokentail(case, folder / "log/access.log", folder / "data", "--config", config, port=tokentail.port)
    wait(lambda: prometheus.value(up) == 1, "the service is up after a restart")
    equal(robot.messages, [], "messages before anything is down")

    began = time.monotonic()
    service.stop()
    (first, *_) = wait(lambda: robot.said("chat", "is down."), "the robot hears that the service is down", 60)
    case.figure(f"the message came {time.monotonic() - began:.1f} s after the service went down")
    require("TokentailTargetDown" in prometheus.firing(), "the alert fires in Prometheus")
    require("#tokentailtargetdown" in first, f"the message has no link to the runbook: {first}")
    require("/d/tokentail-sla" in first, f"the message has no link to the board: {first}")
    heard = len(robot.messages)

    service.start()
    wait(lambda: "TokentailTargetDown" not in prometheus.firing(), "the alert ends in Prometheus", 60)
    wait(
        lambda: [text for text in robot.said("chat", "resolved") if "chat" in text],
        "the robot hears that the service is back",
        60,
    )
    require(len(robot.messages) > heard, "the message of the return is one of its own")
    equal(robot.refused, [], "messages with a wrong signature")
    equal(prometheus.broken_rules(), {}, "rules that end in an error")
    require(relay.alive() and alertmanager.alive(), "relay and Alertmanager still run")


CASES = [a_service_that_goes_down_is_told_to_a_dingtalk_robot_and_its_return_too]
