"""Cases: the JSON API asked from outside: a fuzzer with its own document, who may ask, addresses behind a proxy, exports."""

import json
import os
import subprocess
import urllib.parse
from pathlib import Path

from gateway import Gateway, Log
from harness import Process, Tokentail, equal, fetch, free_port, require, wait
from security import JSON, ROLES, USERS, Guarded, outside

# Seconds that the fuzzer may take.
FUZZING = 75
# What is held against every answer. That what the document allows is accepted is not: it cannot say that one time lies before
# another, or which dimensions there are.
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
]


def fuzzer():
    """The program in the folder that .ci/install fills."""
    tools = os.environ.get("TOKENTAIL_CI_CACHE") or Path.home() / ".cache/tokentail-ci"
    found = Path(tools) / "schemathesis/bin/st"
    require(found.exists(), f"there is no {found}; bash .ci/install {tools} makes it")
    return found


def ask(port, path):
    status, _, body = fetch(port, path)
    require(status == 200, f"{path} answers {status}: {body[:300]!r}")
    return json.loads(body)


def no_question_breaks_the_api_or_its_document(case):
    port = free_port()
    demo = Process(case, "demo", [case.binary, "demo", "--listen", f"127.0.0.1:{port}", "--seed", "7"])

    def listed():
        require(demo.alive(), f"the demo ended by itself:\n{demo.tail()}")
        answer = fetch(port, "/api/v1/status")
        status = json.loads(answer[2]) if answer and answer[0] == 200 else {"ledger": None}
        return status["ledger"] and status["ledger"]["requests"] > 100_000

    wait(listed, "the demo has its history", 120, 0.2)
    sessions = ask(port, "/api/v1/sessions?limit=20")["sessions"]
    requests = ask(port, "/api/v1/requests?limit=20")["requests"]
    consumers = ask(port, "/api/v1/consumers?limit=20")["consumers"]
    known = {
        "GET /api/v1/sessions/{id}": [one["session"] for one in sessions],
        "GET /api/v1/requests/{id}": [one["id"] for one in requests],
        "GET /api/v1/consumers/{name}": [one["consumer"] for one in consumers if one["consumer"]],
    }
    settings = case.folder / "schemathesis.toml"
    text = "".join(
        f"[[operations]]\ninclude-name = {json.dumps(name)}\nparameters = "
        f"{{ {'name' if name.endswith('{name}') else 'id'} = {json.dumps(values)} }}\n"
        for name, values in known.items()
    )
    settings.write_text(text)
    ran = subprocess.run(
        [fuzzer(), "--config-file", settings, "run", f"http://127.0.0.1:{port}/api/v1/openapi.json"]
        + ["--checks", ",".join(CHECKS), "--max-time", str(FUZZING), "--seed", "1", "--request-timeout", "20"]
        + ["--continue-on-failure", "--no-color", "--warnings", "off"],
        cwd=case.folder,
        capture_output=True,
        text=True,
        timeout=FUZZING + 60,
        check=False,
    )
    summary = ran.stdout[ran.stdout.rfind("= SUMMARY =") :]
    # An error of the fuzzer itself, which has known ones, is no failure of ours; a failure is.
    failed = "FAILURES" in ran.stdout or "passed" not in summary
    require(not failed, f"schemathesis ends with {ran.returncode}:\n{ran.stdout[-6000:]}\n{ran.stderr[-1000:]}")
    cases = next((line.strip() for line in summary.splitlines() if "generated" in line), "")
    case.figure(f"schemathesis: {cases}")
    require(demo.alive(), f"the demo ended by itself:\n{demo.tail()}")


def who_may_read_and_who_may_write(case):
    users = case.folder / "web.yaml"
    users.write_text(json.dumps({"basic_auth_users": {name: known for name, (_, known) in USERS.items()}}))
    tokentail = Guarded(case, {"config_file": str(users), "roles": ROLES}).ready()
    user = {name: (name, password) for name, (password, _) in USERS.items()}
    read, write = "/api/v1/status", "/api/v1/requests/delete"
    body = b'{"before": "2020-01-01"}'
    tokentail.expect(401, read)
    tokentail.expect(403, read, code="role_missing", user=user["prometheus"])
    for name in ("eve", "ops"):
        tokentail.expect(200, read, user=user[name], address=outside())
    tokentail.expect(200, "/metrics", user=user["prometheus"])
    how = {"method": "POST", "headers": JSON, "body": body}
    for name in ("prometheus", "eve"):
        tokentail.expect(403, write, code="role_missing", user=user[name], **how)
    tokentail.expect(401, write, **how)
    _, text = tokentail.expect(200, write, user=user["ops"], **how)
    equal(json.loads(text)["deleted"], 0, "requests deleted")
    tokentail.expect(403, "/api/v1/sla/notes", code="role_missing", user=user["eve"], **how)


def strangers_and_their_pages_get_nothing(case):
    tokentail = Guarded(case, {}).ready()
    read, write = "/api/v1/sessions", "/api/v1/requests/delete"
    body = b'{"before": "2020-01-01"}'
    refused = {"code": "authentication_not_configured", "says": "web.config_file"}
    tokentail.expect(403, read, address=outside(), **refused)
    tokentail.expect(403, read, headers={"X-Forwarded-For": "198.51.100.9"}, **refused)
    named = {"code": "host_not_allowed", "says": "web.allowed_hosts"}
    tokentail.expect(403, read, headers={"Host": "attacker.example"}, **named)
    post = {"method": "POST", "body": body}
    tokentail.expect(403, write, headers=JSON | {"Host": "attacker.example"}, **post, **named)
    for foreign in ({"Origin": "http://attacker.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        tokentail.expect(403, write, code="cross_origin", headers=JSON | foreign, **post)
    for kind in ("text/plain", "application/x-www-form-urlencoded", None):
        tokentail.expect(415, write, code="content_type", headers=[("Content-Type", kind)], **post)
    own = f"http://127.0.0.1:{tokentail.port}"
    tokentail.expect(200, write, headers=JSON | {"Origin": own}, **post)
    tokentail.expect(405, write)
    tokentail.expect(200, read)


def addresses_lead_through_the_proxy(case):
    base = "https://tools.example.org/llm/tokentail"
    tokentail = Guarded(case, {"external_url": base}).ready()
    for prefix in ("", "/llm/tokentail"):
        _, text = tokentail.expect(200, f"{prefix}/api/v1/requests?limit=3")
        for request in json.loads(text)["requests"]:
            require(request["url"] == f"{base}/requests/{request['id']}", f"the address is {request['url']}")
            session = urllib.parse.quote(request["session"], safe="~")
            equal(request["session_url"], f"{base}/sessions/{session}", "the address of the session")
    _, text = tokentail.expect(200, "/api/v1/openapi.json")
    equal(json.loads(text)["servers"], [{"url": base}], "servers of the document")
    # The page of our own address may write, also where the proxy asks us under another name.
    how = {"method": "POST", "body": b'{"before": "2020-01-01"}'}
    tokentail.expect(200, "/api/v1/requests/delete", headers=JSON | {"Origin": "https://tools.example.org"}, **how)


def an_export_has_every_line_and_flat_memory(case):
    log = Log(case.folder / "log/access.log", Gateway(11))
    lines = 60_000
    log.append(lines)
    tokentail = Tokentail(case, log.path, case.folder / "data")
    page = tokentail.wait_lines(lines, 120)

    def resident():
        status = Path(f"/proc/{tokentail.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])

    before = resident()
    status, headers, body = fetch(tokentail.port, "/api/v1/export/requests?format=jsonl")
    equal(status, 200, "status of the export")
    requests = int(page.sum("tokentail_requests_total"))
    equal(body.count(b"\n"), requests, "lines of the export")
    grown = resident() - before
    case.figure(f"export of {requests} requests: {len(body) >> 20} MiB, {grown >> 10} MiB more memory")
    require(grown < 24 << 10, f"memory grew by {grown >> 10} MiB while {len(body) >> 20} MiB were exported")
    equal(headers["Content-Type"], "application/jsonl", "type of the export")


CASES = [
    no_question_breaks_the_api_or_its_document,
    who_may_read_and_who_may_write,
    strangers_and_their_pages_get_nothing,
    addresses_lead_through_the_proxy,
    an_export_has_every_line_and_flat_memory,
]
