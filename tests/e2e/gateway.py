"""A made-up Higress: writes access-log lines, rotates its log, and knows what a reader must have counted.

Lines are Envoy's TEXT template of Higress. Nothing here reads anything of tokentail.
"""

import gzip
import json
import os
import random
import shutil
import time
from collections import Counter
from pathlib import Path

# Model, provider, whether the price table knows it.
MODELS = [
    ("qwen-plus", "aliyun"),
    ("gpt-4o", "openai"),
    ("deepseek-v4-flash", "deepseek"),
    ("acme-chat-32b", "vllm"),
]

OUTER = (
    '{"ai_log":"%s","authority":"ai.acme.example","bytes_received":"412","bytes_sent":"%d",'
    '"downstream_local_address":"10.42.0.17:80","downstream_remote_address":"10.30.0.%d:51322","duration":"%d",'
    '"istio_policy_status":"-","method":"POST","path":"/v1/chat/completions","protocol":"HTTP/1.1",'
    '"request_id":"%s","requested_server_name":"-","response_code":"%d","response_flags":"%s",'
    '"route_name":"ai-route-chat.internal","start_time":"%s","trace_id":"%s",'
    '"upstream_cluster":"outbound|443||llm-%s.internal.dns","upstream_host":"39.96.213.166:443",'
    '"upstream_local_address":"10.42.0.17:48822","upstream_service_time":"307",'
    '"upstream_transport_failure_reason":"-","user_agent":"openai-python/1.61.0","x_forwarded_for":"10.42.0.1",'
    '"response_code_details":"via_upstream"}'
)


def rfc3339(seconds):
    """Envoy's %START_TIME%: UTC with milliseconds."""
    whole, milli = divmod(int(seconds * 1000), 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{milli:03d}Z"


class Gateway:
    """Makes lines, and counts what is in those that were written (`expected`).

    `expected` has: lines, no_ai, requests, errors, input, output, cached, and the trace ids named, as `traces`.
    """

    def __init__(self, seed, clock=time.time):
        self.random = random.Random(seed)
        self.clock = clock
        self.expected = Counter()
        self.traces = set()

    def line(self):
        """One line without its newline, counted as written."""
        draw = self.random
        number = draw.getrandbits(128)
        request_id = f"{number:032x}"
        request_id = "-".join(
            (request_id[:8], request_id[8:12], request_id[12:16], request_id[16:20], request_id[20:])
        )
        self.expected["lines"] += 1
        model, provider = draw.choice(MODELS)
        duration = draw.randrange(200, 9000)
        start = rfc3339(self.clock() - duration / 1000)
        trace, code, flags = "-", 200, "-"
        kind = draw.random()
        ai_log = {"api": "-"}
        if kind < 0.02:
            self.expected["no_ai"] += 1
            return OUTER % ("-", 2, 1, 1, request_id, 200, "-", start, trace, provider)
        self.expected["requests"] += 1
        ai_log["chat_id"] = f"chatcmpl-{number & 0xFFFFFFFF:08x}"
        ai_log["chat_round"] = draw.randrange(1, 9)
        ai_log["consumer"] = f"app-{draw.randrange(5)}"
        if kind < 0.05:
            self.expected["errors"] += 1
            code, flags = draw.choice([(429, "-"), (504, "UT"), (503, "UF")])
        else:
            uncached, cached, output = draw.randrange(1, 4000), draw.randrange(0, 2000), draw.randrange(1, 900)
            self.expected["input"] += uncached + cached
            self.expected["cached"] += cached
            self.expected["output"] += output
            if draw.random() < 0.3:
                trace = f"{draw.getrandbits(128) | 1:032x}"
                self.traces.add(trace)
            ai_log |= {
                "cached_tokens": cached,
                "input_token": uncached + cached,
                "input_token_details": {"cached_tokens": cached},
                "llm_first_token_duration": min(180, duration),
                "llm_service_duration": duration - 1,
                "model": model,
                "output_token": output,
                "output_token_details": {},
            }
        ai_log["response_type"] = "stream" if code == 200 else "normal"
        ai_log["session_id"] = f"sess_{draw.randrange(40):04d}"
        ai_log["total_token"] = ai_log.get("input_token", 0) + ai_log.get("output_token", 0)
        text = json.dumps(ai_log, separators=(",", ":"), sort_keys=True)
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        bytes_sent = draw.randrange(300, 90000)
        return OUTER % (escaped, bytes_sent, 1, duration, request_id, code, flags, start, trace, provider)

    def lines(self, count):
        """That many lines, each with its newline, as one text."""
        return "".join(self.line() + "\n" for _ in range(count))


class Log:
    """A log file that grows and rotates, with everything ever written to it kept in order in `history`."""

    def __init__(self, path, gateway):
        self.path = Path(path)
        self.gateway = gateway
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.history = self.path.parent.parent / (self.path.name + ".history")
        self.history.write_bytes(b"")
        self.path.touch()

    def write(self, text):
        """Appends; the text may end in the middle of a line, or of a character."""
        data = text if isinstance(text, bytes) else text.encode()
        with open(self.path, "ab", buffering=0) as log, open(self.history, "ab", buffering=0) as history:
            log.write(data)
            history.write(data)

    def append(self, count):
        """Appends that many whole lines."""
        self.write(self.gateway.lines(count))

    def append_torn(self, count):
        """Appends that many lines in pieces that end anywhere, the last at the end of a line."""
        data = self.gateway.lines(count).encode()
        while data:
            cut = self.gateway.random.randrange(1, 3000)
            self.write(data[:cut])
            data = data[cut:]

    def rotated(self, number):
        """The rotated file of that number, compressed or not, or None."""
        for suffix in ("", ".gz"):
            path = self.path.with_name(f"{self.path.name}.{number}{suffix}")
            if path.exists():
                return path
        return None

    def shift(self):
        """Moves the rotated files on by one number, the oldest first, as logrotate does."""
        number = 1
        while self.rotated(number):
            number += 1
        while number > 1:
            number -= 1
            path = self.rotated(number)
            suffix = ".gz" if path.suffix == ".gz" else ""
            path.rename(self.path.with_name(f"{self.path.name}.{number + 1}{suffix}"))

    def rotate(self):
        """Renames the live file and begins a new one."""
        self.shift()
        self.path.rename(self.path.with_name(self.path.name + ".1"))
        self.path.touch()

    def copytruncate(self):
        """Copies the live file and truncates it; nobody writes meanwhile, so nothing is lost by it."""
        self.shift()
        shutil.copyfile(self.path, self.path.with_name(self.path.name + ".1"))
        os.truncate(self.path, 0)

    def compress(self, number):
        """Compresses a rotated file in place as gzip does: under its last name from the start."""
        path = self.rotated(number)
        if path is None or path.suffix == ".gz":
            return
        with open(path, "rb") as plain, gzip.open(f"{path}.gz", "wb", compresslevel=1) as packed:
            shutil.copyfileobj(plain, packed)
        path.unlink()
