"""A real Chromium, driven over its own protocol (Chrome DevTools) by a small WebSocket client.

    with Browser(folder) as browser:
        page = browser.page(width=360)
        page.open("http://127.0.0.1:13210/")
        page.until("document.querySelector('h1')")

Nothing is downloaded: the browser is Debian's package chromium.
"""

import base64
import json
import os
import shutil
import socket
import struct
import subprocess
import time
from pathlib import Path
from urllib.request import Request, urlopen

from harness import Failure

PATIENCE = 30.0
"""Seconds that anything may take in the browser; this machine may be busy."""


class Socket:
    """A WebSocket client (RFC 6455) for one local peer that sends whole text messages."""

    def __init__(self, url):
        host, _, path = url.removeprefix("ws://").partition("/")
        name, _, port = host.partition(":")
        self.socket = socket.create_connection((name, int(port)), timeout=PATIENCE)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET /{path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        self.buffer = b""
        while b"\r\n\r\n" not in self.buffer:
            self.buffer += self._receive()
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        if b" 101 " not in head.split(b"\r\n", 1)[0]:
            raise Failure(f"the browser refused the connection: {head[:200]!r}")

    def _receive(self):
        data = self.socket.recv(1 << 16)
        if not data:
            raise Failure("the browser closed the connection")
        return data

    def _take(self, length):
        while len(self.buffer) < length:
            self.buffer += self._receive()
        taken, self.buffer = self.buffer[:length], self.buffer[length:]
        return taken

    def send(self, text):
        data = text.encode()
        mask = os.urandom(4)
        if len(data) < 126:
            head = struct.pack("!BB", 0x81, 0x80 | len(data))
        elif len(data) < 1 << 16:
            head = struct.pack("!BBH", 0x81, 0x80 | 126, len(data))
        else:
            head = struct.pack("!BBQ", 0x81, 0x80 | 127, len(data))
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))
        self.socket.sendall(head + mask + masked)

    def receive(self):
        """The next text message; pings are answered."""
        message = b""
        while True:
            first, second = self._take(2)
            length = second & 0x7F
            if length == 126:
                (length,) = struct.unpack("!H", self._take(2))
            elif length == 127:
                (length,) = struct.unpack("!Q", self._take(8))
            data = self._take(length)
            kind = first & 0x0F
            if kind == 0x9:
                self.socket.sendall(struct.pack("!BB", 0x8A, 0x80) + os.urandom(4))
            elif kind == 0x8:
                raise Failure("the browser closed the connection")
            elif kind in (0x0, 0x1):
                message += data
                if first & 0x80:
                    return message.decode()


class Page:
    """A tab. `errors` are what its console and its network complained about."""

    def __init__(self, url):
        self.socket = Socket(url)
        self.last = 0
        self.events = []
        self.errors = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method, **parameters):
        """Sends a command and waits for its result; what else arrives is noted."""
        self.last += 1
        mine = self.last
        self.socket.send(json.dumps({"id": mine, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.receive())
            if message.get("id") == mine:
                if "error" in message:
                    raise Failure(f"{method}: {message['error']}")
                return message["result"]
            self._note(message)

    def _note(self, message):
        method, parameters = message.get("method"), message.get("params", {})
        self.events.append(method)
        if method == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details.get("text")))
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert"):
            self.errors.append(" ".join(str(a.get("value", a.get("description"))) for a in parameters["args"]))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
            entry = parameters["entry"]
            self.errors.append(f"{entry['text']} {entry.get('url', '')}")

    def run(self, script):
        """The value of an expression of the page; promises are awaited."""
        result = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            details = result["exceptionDetails"]
            raise Failure(f"{script}: {details.get('exception', {}).get('description', details['text'])}")
        return result["result"].get("value")

    def until(self, script, why=None):
        """Waits until an expression is true, and returns its value."""
        end = time.monotonic() + PATIENCE
        while True:
            value = self.run(script)
            if value:
                return value
            if time.monotonic() > end:
                raise Failure(f"not within {PATIENCE:.0f} s: {why or script}; the page says: {self.text()[:600]!r}; {self.errors}")
            time.sleep(0.05)

    def open(self, url):
        """Goes to an address and waits until the page shows its data or a problem."""
        self.call("Page.navigate", url=url)
        self.settled()

    def settled(self):
        self.until("document.readyState === 'complete' && document.querySelector('main h1') && document.querySelector('main')"
                   ".ariaBusy !== 'true' && !document.querySelector('.skeleton') && !document.querySelector('.body.waiting')")

    def text(self):
        return self.run("document.body.innerText") or ""

    def look(self, width=1280, height=800, dark=False, touch=False):
        """Sets the size of the screen and the system's theme."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=touch)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def press(self, key, **modifiers):
        """A key, as a person presses it."""
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32}
        text = {"Enter": "\r", " ": " "}.get(key)
        shared = {"key": key, "code": key, "windowsVirtualKeyCode": codes.get(key, 0), **modifiers}
        self.call("Input.dispatchKeyEvent", type="keyDown", **shared, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **shared)

    def picture(self, path, whole=True):
        """A screenshot as a PNG file; whole pages up to a bound."""
        clip = {}
        if whole:
            size = self.call("Page.getLayoutMetrics")["cssContentSize"]
            clip = {"clip": {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 6000), "scale": 1}, "captureBeyondViewport": True}
        Path(path).write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png", **clip)["data"]))

    def close(self):
        self.socket.socket.close()


class Browser:
    """A headless Chromium of its own, with a profile in `folder`."""

    def __init__(self, folder):
        program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        if not program:
            raise Failure("missing: chromium; install Debian's package chromium")
        profile = Path(folder) / "chromium"
        profile.mkdir(parents=True, exist_ok=True)
        self.log = (profile / "log").open("wb")
        self.process = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--hide-scrollbars", "--mute-audio",
             "--lang=en-US", "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"],
            stdout=self.log, stderr=self.log, start_new_session=True,
        )
        port = profile / "DevToolsActivePort"
        end = time.monotonic() + PATIENCE
        while not (port.exists() and port.read_text().count("\n")):
            if self.process.poll() is not None or time.monotonic() > end:
                raise Failure(f"the browser did not start: {(profile / 'log').read_text(errors='replace')[-600:]}")
            time.sleep(0.05)
        self.port = int(port.read_text().split("\n")[0])
        self.pages = []

    def page(self, **look):
        request = Request(f"http://127.0.0.1:{self.port}/json/new?about:blank", method="PUT")
        with urlopen(request, timeout=PATIENCE) as answer:
            page = Page(json.load(answer)["webSocketDebuggerUrl"])
        page.look(**look)
        self.pages.append(page)
        return page

    def close(self):
        for page in self.pages:
            page.close()
        # The whole group: the browser is a process of many.
        try:
            os.killpg(self.process.pid, 15)
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, 9)
            self.process.wait(10)
        except ProcessLookupError:
            pass
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
