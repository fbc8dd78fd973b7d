"""Cases: the JSON API asked from outside: a fuzzer with its own document, who may ask, addresses behind a proxy, exports."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path

from gateway import Gateway, Log
from harness import Process, Tokentail, equal, fetch, free_port, require, wait
from security import JSON, ROLES, USERS, Guarded, outside

# Requests of the large export.
LINES = 1_000_000
# What a spreadsheet takes for the beginning of a formula, and numbers that begin so.
FORMULA = tuple("=+-@\t\r＝＋－＠")
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
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
        env={
            **os.environ,
            "SCHEMATHESIS_HOOKS": "fuzzed",
            "PYTHONPATH": str(Path(__file__).parent),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
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


def an_export_of_a_million_requests_streams_with_flat_memory_and_opens_in_a_spreadsheet(case):
    gateway = Gateway(11)
    # Distinct request ids are what makes lines distinct requests; the rest may repeat.
    patterns = [re.sub(r'("request_id":")[^"]*', r"\g<1>%032x", gateway.line().replace("%", "%%")) for _ in range(500)]
    hostile = re.sub(r"app-\d", "=HYPERLINK(1)", patterns[-1])
    require("=HYPERLINK" in hostile, "the line has a consumer")
    data = case.folder / "data"
    command = [case.binary, "ingest", "--format", "higress", "--data-dir", data, "--json", "-"]
    ingest = subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        for first in range(0, LINES, len(patterns)):
            ingest.stdin.write("".join(pattern % (first + number) + "\n" for number, pattern in enumerate(patterns)))
        ingest.stdin.write(hostile % LINES + "\n")
        summary, _ = ingest.communicate()
    except BaseException:
        ingest.kill()
        raise
    equal(ingest.returncode, 0, "exit code of ingest")
    requests = json.loads(summary)["requests"]
    log = case.folder / "access.log"
    log.touch()
    tokentail = Tokentail(case, log, data)
    tokentail.wait_page()

    def peak():
        status = Path(f"/proc/{tokentail.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])

    before, size, rows, texts = peak(), 0, 0, 0
    with urllib.request.urlopen(f"http://127.0.0.1:{tokentail.port}/api/v1/export/requests?format=csv", timeout=600) as answer:
        require(answer.headers["Content-Type"].startswith("text/csv"), f"type {answer.headers['Content-Type']}")
        reader = csv.reader(io.TextIOWrapper(answer, "utf-8", newline=""))
        columns = next(reader)
        for row in reader:
            rows += 1
            size += sum(map(len, row)) + len(row)
            require(len(row) == len(columns), f"row {rows} has {len(row)} cells: {row}")
            texts += "'=HYPERLINK(1)" in row
            formula = next((cell for cell in row if cell[:1] in FORMULA and not NUMBER.fullmatch(cell)), None)
            require(formula is None, f"row {rows} would run {formula!r}")
    grown = peak() - before
    equal((rows, texts), (requests, 1), "rows of the export, and consumers that look like a formula")
    case.figure(f"export of {rows} requests: {size >> 20} MiB, {grown >> 10} MiB more memory at most (VmHWM {peak() >> 10} MiB)")
    require(grown < 24 << 10, f"memory grew by {grown >> 10} MiB while {size >> 20} MiB were exported")
    office = shutil.which("soffice") or shutil.which("libreoffice")
    if not office:
        case.figure("no LibreOffice here: read by Python's csv alone")
        return
    part = case.folder / "part.csv"
    part.write_bytes(fetch(tokentail.port, "/api/v1/export/requests?format=csv&min_tokens=5000")[2])
    equal(subprocess.run([office, "--headless", "--convert-to", "xlsx", part], cwd=case.folder).returncode, 0, "LibreOffice")
    require((case.folder / "part.xlsx").exists(), "LibreOffice opens the export")


CASES = [
    no_question_breaks_the_api_or_its_document,
    who_may_read_and_who_may_write,
    strangers_and_their_pages_get_nothing,
    addresses_lead_through_the_proxy,
    an_export_of_a_million_requests_streams_with_flat_memory_and_opens_in_a_spreadsheet,
]
