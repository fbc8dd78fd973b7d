"""Cases: nothing is lost and nothing counts twice, whatever happens to the process, the log and the disk."""

import gzip
import shutil
import subprocess
import threading
import time

from gateway import Gateway, Log
from harness import Tokentail, equal, fetch, require, wait

LIVES = 100


def same_totals(page, gateway, what):
    """The page holds what the gateway wrote, with nothing rejected and nothing twice."""
    wanted = {name: gateway.expected[name] for name in ("lines", "no_ai", "requests", "errors", "input", "output", "cached")}
    equal(page.totals(), wanted | {"rejected": 0, "duplicates": 0}, what)


def same_as_ingested(case, page, gateway, log):
    """One clean run over everything ever written gives what the page holds."""
    summary = case.ingest(case.folder / "clean", log.history)
    equal(summary["requests"], gateway.expected["requests"], "requests of the clean run")
    equal(summary["lines"], gateway.expected["lines"], "lines of the clean run")
    equal(summary["duplicates"], 0, "duplicates of the clean run")
    for kind, name in (("input", "input"), ("output", "output"), ("cache_read", "cached")):
        equal(summary["tokens"][kind], gateway.expected[name], f"{kind} tokens of the clean run")
    costs = {cost["currency"]: round(float(cost["total"]), 6) for cost in summary["cost"]}
    equal(page.costs(), costs, "cost on the page and of the clean run")


def a_hundred_kills_while_the_log_grows_and_rotates_lose_nothing_and_double_nothing(case):
    gateway = Gateway(11)
    log = Log(case.folder / "log/access.log", gateway)
    data = case.folder / "data"
    finished = threading.Event()
    rotations = []

    def write():
        draw = gateway.random
        while not finished.is_set():
            log.append_torn(draw.randrange(1, 30))
            chance = draw.random()
            if chance < 0.04:
                log.rotate()
                rotations.append("rename")
            elif chance < 0.05:
                log.copytruncate()
                rotations.append("copytruncate")
            elif chance < 0.07:
                log.compress(draw.randrange(1, 4))
                rotations.append("compress")
            time.sleep(draw.random() * 0.01)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        draw = gateway.random.__class__(12)
        started = time.monotonic()
        for _ in range(LIVES):
            tokentail = Tokentail(case, log.path, data)
            time.sleep(draw.uniform(0.05, 0.4))
            require(tokentail.alive(), f"tokentail ended by itself:\n{tokentail.tail()}")
            tokentail.kill()
        took = time.monotonic() - started
    finally:
        finished.set()
        writer.join()
    tokentail = Tokentail(case, log.path, data)
    page = tokentail.wait_lines(gateway.expected["lines"])
    same_totals(page, gateway, "totals after all lives")
    same_as_ingested(case, page, gateway, log)
    kinds = {kind: rotations.count(kind) for kind in ("rename", "copytruncate", "compress")}
    case.figure(f"{LIVES} lives in {took:.0f} s, {gateway.expected['lines']} lines, {kinds}")


def a_log_that_rotates_twice_while_nobody_looks_goes_on_where_it_stood(case):
    gateway = Gateway(13)
    log = Log(case.folder / "log/access.log", gateway)
    data = case.folder / "data"
    log.append(1000)
    tokentail = Tokentail(case, log.path, data)
    tokentail.wait_lines(1000)
    equal(tokentail.stop(), 0, "exit code after SIGTERM")
    log.append(100)
    log.rotate()
    log.append(200)
    log.rotate()
    log.compress(2)
    log.append(300)
    tokentail = Tokentail(case, log.path, data)
    page = tokentail.wait_lines(1600)
    same_totals(page, gateway, "totals after two rotations unseen")
    same_as_ingested(case, page, gateway, log)


def the_same_lines_under_another_name_or_compressed_count_once(case):
    gateway = Gateway(14)
    data = case.folder / "data"
    original = case.folder / "access.log"
    text = gateway.lines(5000)
    original.write_text(text)
    first = case.ingest(data, original)
    equal(first["requests"], gateway.expected["requests"], "requests of the first ingest")
    equal(first["lines"], 5000, "lines of the first ingest")

    renamed = case.folder / "access.log-20261120"
    shutil.copyfile(original, renamed)
    packed = case.folder / "access.log.1.gz"
    packed.write_bytes(gzip.compress(original.read_bytes()))
    # A file that nobody knows, since it begins with another line, but with the same requests in it.
    another = case.folder / "another.log"
    extra = Gateway(15)
    while not extra.expected["requests"]:
        extra = Gateway(extra.random.getrandbits(32))
        head = extra.line()
    another.write_text(head + "\n" + text)
    for path, news in ((renamed, 0), (packed, 0), (original, 0), (another, 1)):
        summary = case.ingest(data, path)
        equal(summary["requests"], news, f"new requests in {path.name}")
        equal(summary["tokens"]["input"], extra.expected["input"] if news else 0, f"new input tokens in {path.name}")
    equal(summary["duplicates"], gateway.expected["requests"], "duplicates in a file with one line more at its head")

    log = Log(case.folder / "log/access.log", Gateway(16))
    page = Tokentail(case, log.path, data).wait_page()
    wanted = gateway.expected["requests"] + extra.expected["requests"]
    equal(page.sum("tokentail_requests_total"), wanted, "requests in the ledger")
    equal(page.sum("tokentail_input_tokens_total"), gateway.expected["input"] + extra.expected["input"], "input tokens")


def a_full_disk_is_reported_and_everything_counts_once_after_it_is_freed(case):
    gateway = Gateway(17)
    log = Log(case.folder / "log/access.log", gateway)
    disk = case.folder / "disk"
    disk.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", disk], capture_output=True, check=False, text=True
    )
    require(mount.returncode == 0, f"a small disk cannot be mounted: {mount.stderr}")
    case.cleanups.append(lambda: subprocess.run(["umount", "-l", disk], check=False))
    data = disk / "data"
    log.append(200)
    tokentail = Tokentail(case, log.path, data)
    tokentail.wait_lines(200)

    ballast = disk / "ballast"
    ballast.write_bytes(b"\0" * (shutil.disk_usage(disk).free - 300_000))
    log.append(30000)

    def refused():
        require(tokentail.alive(), f"tokentail ended by itself:\n{tokentail.tail()}")
        answer = fetch(tokentail.port, "/-/ready")
        return answer if answer and answer[0] == 503 else None

    _, _, body = wait(refused, "/-/ready is 503 on a full disk", 30)
    reason = body.decode()
    require("full" in reason or "space" in reason, f"/-/ready does not say that the disk is full: {reason}")
    equal(fetch(tokentail.port, "/-/healthy")[0], 200, "/-/healthy on a full disk")
    lines = tokentail.metrics().sum("tokentail_log_lines_total")
    require(lines < 30200, "lines that are not on disk are not shown")

    ballast.unlink()
    page = tokentail.wait_lines(30200)
    wait(lambda: fetch(tokentail.port, "/-/ready")[0] == 200, "/-/ready is 200 again", 15)
    same_totals(page, gateway, "totals after the disk was freed")
    require(page.sum("tokentail_ledger_commit_failures_total") > 0, "the failed commits are counted")
    equal(tokentail.stop(), 0, "exit code after SIGTERM")
    page = Tokentail(case, log.path, data).wait_lines(30200)
    same_totals(page, gateway, "totals after a restart")
    case.figure(f"/-/ready said: {reason.strip()[:160]}")


CASES = [
    a_hundred_kills_while_the_log_grows_and_rotates_lose_nothing_and_double_nothing,
    a_log_that_rotates_twice_while_nobody_looks_goes_on_where_it_stood,
    the_same_lines_under_another_name_or_compressed_count_once,
    a_full_disk_is_reported_and_everything_counts_once_after_it_is_freed,
]
