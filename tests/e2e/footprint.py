"""Cases: the demo starts, and what the program costs; costs are printed, not judged, since machines differ."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

from gateway import Gateway, Log
from harness import Page, Process, Tokentail, equal, fetch, free_port, require, wait

# Bytes of the log whose ingestion is measured.
LARGE = 300_000_000


def the_demo_shows_thirty_days_at_once_and_leaves_nothing_behind(case):
    folder = case.folder / "tmp"
    folder.mkdir()
    port = free_port()
    demo = Process(
        case,
        "demo",
        [case.binary, "demo", "--listen", f"127.0.0.1:{port}", "--seed", "7"],
        env=os.environ | {"TMPDIR": str(folder)},
    )
    started = time.monotonic()

    def page():
        require(demo.alive(), f"the demo ended by itself:\n{demo.tail()}")
        answer = fetch(port, "/metrics")
        return Page(answer[2]) if answer and answer[0] == 200 else None

    first = wait(page, "the demo answers", 120)
    case.figure(f"demo: first page after {time.monotonic() - started:.1f} s")
    require(str(port) in demo.log.read_text(errors="replace"), "the demo prints its address")
    requests = first.sum("tokentail_requests_total")
    require(requests > 100_000, f"the first page holds the history, not {requests} requests")
    require(first.sum("tokentail_unpriced_requests_total") > 1000, "an unpriced model is visible")
    require({"USD", "CNY"} <= set(first.costs()), f"costs in several currencies, not {first.costs()}")
    reasons = {labels["reason"] for name, labels, value in first.samples if name == "tokentail_request_errors_total" and value}
    equal(
        reasons,
        {"rate_limited", "client", "upstream", "timeout", "disconnect", "gateway"},
        "reasons of errors with requests",
    )
    wait(lambda: page().sum("tokentail_requests_total") > requests, "live traffic goes on", 30, 0.2)
    equal(demo.stop(), 0, "exit code after SIGTERM")
    equal(list(folder.iterdir()), [], "what the demo leaves behind")


def following_an_idle_log_costs_next_to_nothing(case):
    gateway = Gateway(21)
    log = Log(case.folder / "log/access.log", gateway)
    log.append(1000)
    tokentail = Tokentail(case, log.path, case.folder / "data")
    tokentail.wait_lines(1000)
    time.sleep(1)
    before, started = tokentail.cpu_seconds(), time.monotonic()
    time.sleep(20)
    used, passed = tokentail.cpu_seconds() - before, time.monotonic() - started
    status = Path(f"/proc/{tokentail.pid}/status").read_text()
    resident = int(re.search(r"VmRSS:\s+(\d+)", status)[1])
    case.figure(f"idle: {used:.2f} s of CPU in {passed:.0f} s ({100 * used / passed:.2f} % of a core), {resident} KiB resident")
    equal(tokentail.stop(), 0, "exit code after SIGTERM")


def a_large_file_is_ingested_whole_and_its_cost_is_shown(case):
    gateway = Gateway(22)
    large = case.folder / "large.log"
    # Distinct request ids are what makes lines distinct requests; the rest may repeat.
    patterns = []
    for _ in range(500):
        line = gateway.line()
        patterns.append(re.sub(r'("request_id":")[^"]*', r"\g<1>%032x", line.replace("%", "%%")))
    size = lines = 0
    with open(large, "w", encoding="ascii") as file:
        while size < LARGE:
            size += file.write("".join(pattern % (lines + number) + "\n" for number, pattern in enumerate(patterns)))
            lines += len(patterns)
    command = [case.binary, "ingest", "--format", "higress", "--data-dir", case.folder / "data", "--json", large]
    started = time.monotonic()
    with open(case.folder / "summary.json", "wb") as output:
        ingest = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=output)
        try:
            # The kernel's own maximum begins with this process's memory, from before the program was loaded.
            peak = 0
            while ingest.poll() is None:
                found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{ingest.pid}/status").read_text())
                peak = max(peak, int(found[1]) if found else 0)
                time.sleep(0.005)
        except BaseException:
            ingest.send_signal(signal.SIGKILL)
            raise
    took = time.monotonic() - started
    equal(ingest.returncode, 0, "exit code of ingest")
    rounds = lines // len(patterns)
    text = (case.folder / "summary.json").read_text()
    requests = int(re.search(r'"requests":\s*(\d+)', text)[1])
    equal(requests, gateway.expected["requests"] * rounds, "requests")
    disk = sum(path.stat().st_size for path in (case.folder / "data").rglob("*") if path.is_file())
    case.figure(
        f"ingest: {lines} lines, {size / 1e6:.0f} MB in {took:.2f} s ({lines / took:,.0f} lines/s), "
        f"{peak / 1024:.0f} MiB at most, {disk / requests:.0f} bytes on disk per request"
    )


CASES = [
    the_demo_shows_thirty_days_at_once_and_leaves_nothing_behind,
    following_an_idle_log_costs_next_to_nothing,
    a_large_file_is_ingested_whole_and_its_cost_is_shown,
]
