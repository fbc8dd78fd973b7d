"""Cases: the web page in a real browser, on the running binary: what a person sees, presses and must not be harmed by."""

import csv
import io
import json
import random
import time
from urllib.parse import quote

from browser import Browser
from gateway import rfc3339
from harness import Process, equal, fetch, free_port, require, wait

SCRIPT = "<script>document.title='taken'</script>"
RTL = "جلسة-\u202eabc\u202c-123"
IMAGE = "<img src=x onerror=document.title='taken'>, a\\"
"""Also with what parts a filter's values, and what takes that meaning away."""
SLASHED = "team/a/b?x=1#y %2F"
LONG = "s" + "ß字-" * 1700
"""A session id of 10 kB; the ledger keeps a hash of it, and its address leads there all the same."""

PAGES = ("/", "/sessions", "/requests", "/conversations", "/usage", "/consumers", "/cost", "/sla", "/status")

MODELS = [("qwen-plus", "aliyun"), ("gpt-4o", "openai"), ("deepseek-v4-flash", "deepseek"), ("acme-chat-32b", "vllm")]

UNNAMED = """
(() => {
  const bad = [];
  const name = (node) => (node.getAttribute('aria-label') || node.labels?.[0]?.textContent || node.textContent || node.alt || '').trim();
  for (const node of document.querySelectorAll('a, button, input, select, [role=img], [role=meter]')) if (!name(node)) bad.push(node.outerHTML.slice(0, 120));
  for (const node of document.querySelectorAll('table')) if (!node.caption?.textContent) bad.push('a table without a caption');
  for (const node of document.querySelectorAll('img')) if (!node.hasAttribute('alt')) bad.push('an image without a text');
  for (const [what, wanted] of [['h1', 1], ['main', 1], ['header', 1], ['footer', 1]]) {
    const found = document.querySelectorAll(what).length;
    if (found !== wanted) bad.push(`${found} of ${what}`);
  }
  const ids = [...document.querySelectorAll('[id]')].map((node) => node.id);
  if (new Set(ids).size !== ids.length) bad.push('an id is there twice');
  return bad;
})()
"""
"""What a screen reader would not know the name of."""

FAINT = """
(() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const light = ([r, g, b]) => {
    const part = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] > 250) return colour;
    }
    return [255, 255, 255, 255];
  };
  const faint = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !node.checkVisibility({ checkOpacity: true }) || node.closest('.hidden, option, .skip, .waiting')) continue;
    const [a, b] = [light(rgba(getComputedStyle(node).color)), light(ground(node))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) faint.add(`${walker.currentNode.data.trim().slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return [...faint];
})()
"""
"""Text whose contrast is under 4.5 to 1 (WCAG 2.2, 1.4.3)."""

RAW_KEYS = """
(async () => {
  const words = await (await fetch('assets/en.json')).json();
  const keys = new Set(Object.keys(words).filter((key) => key.includes('.')));
  const seen = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) if (keys.has(walker.currentNode.data.trim()) || /\\{\\w+\\}/.test(walker.currentNode.data)) seen.push(walker.currentNode.data);
  return seen;
})()
"""
"""Keys and blanks that reached the page instead of words."""


class Traffic:
    """Lines of Higress with sessions, written one at a time."""

    def __init__(self, path):
        self.path = path
        self.random = random.Random(11)
        self.count = 0
        path.parent.mkdir(parents=True, exist_ok=True)

    def add(self, session, consumer="app-1", turn=1, code=200, age=60.0, model=None, tools=()):
        self.count += 1
        draw = self.random
        name, provider = next((pair for pair in MODELS if pair[0] == model), draw.choice(MODELS))
        log = {"api": "-", "chat_id": f"chatcmpl-{self.count}", "chat_round": turn, "consumer": consumer, "model": name,
               "response_type": "stream", "session_id": session}
        if code == 200:
            uncached, cached, output = draw.randrange(100, 4000), draw.randrange(0, 900), draw.randrange(20, 900)
            log |= {"input_token": uncached + cached, "input_token_details": json.dumps({"cached_tokens": cached}),
                    "output_token": output, "total_token": uncached + cached + output,
                    "llm_first_token_duration": draw.randrange(100, 1500), "llm_service_duration": draw.randrange(1600, 9000)}
        if tools:
            log["tool_calls"] = [{"function": {"name": tool}} for tool in tools]
        line = {
            "ai_log": json.dumps(log), "authority": "ai.acme.example", "bytes_received": "412", "bytes_sent": str(self.count),
            "duration": "4000", "method": "POST", "path": "/v1/chat/completions", "protocol": "HTTP/1.1",
            "request_id": f"00000000-0000-4000-8000-{self.count:012d}", "response_code": str(code),
            "response_flags": "-", "route_name": "ai-route-chat.internal", "start_time": rfc3339(time.time() - age),
            "trace_id": f"{self.count:032x}", "upstream_cluster": f"outbound|443||llm-{provider}.internal.dns",
            "user_agent": "openai-python/1.61.0", "response_code_details": "via_upstream",
        }
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


class Site(Process):
    """A running `tokentail run` with something to look at on every page."""

    def __init__(self, case, web=None, empty=False, user=None):
        # Who asks whether it is ready, where a proxy says who that is.
        self.headers = {"X-User": user} if user else {}
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.traffic = Traffic(case.folder / "log" / "access.log")
        self.case = case
        if empty:
            self.traffic.path.touch()
        else:
            self.fill()
        self.config = case.folder / "tokentail.yaml"
        # JSON is YAML.
        self.config.write_text(json.dumps({
            "listen": [f"127.0.0.1:{self.port}"],
            "data_dir": str(case.folder / "data"),
            "sources": [{"name": "higress", "format": "higress", "path": str(self.traffic.path)}],
            "dimensions": [{"name": "team", "from": "consumer", "lookup": {"app-1": "sales", "app-2": IMAGE}}],
            "cost": {"budgets": [{"name": "sales-day", "filter": {"team": "sales"}, "unit": "requests", "limit": 20, "period": "day"}]},
            "probes": [{"name": "self", "kind": "http", "url": f"{self.url}/-/healthy", "interval": "1s", "timeout": "1s"}],
            "web": {"trace_url": "https://traces.example/{trace_id}"} | (web or {}),
        } | self.settings()))
        super().__init__(case, "tokentail", [case.binary, "run", "--config", self.config])
        self.ready()

    def settings(self):
        """Further sections of the configuration."""
        return {}

    def fill(self):
        for session in range(70):
            for turn in range(1 + session % 4):
                self.traffic.add(f"sess-{session:03d}", consumer=f"app-{session % 3}", turn=turn + 1, age=7000.0 - session * 90 - turn * 5,
                                 code=429 if session % 10 == 3 else 200)
        for session in (SCRIPT, RTL, IMAGE, SLASHED, LONG):
            for turn in range(3):
                self.traffic.add(session, consumer=IMAGE, turn=turn + 1, age=300.0 - turn * 9, model="gpt-4o", tools=(SCRIPT, RTL))

    def ready(self):
        def counted():
            require(self.alive(), f"tokentail ended by itself:\n{self.tail()}")
            answer = fetch(self.port, "/api/v1/status", self.headers)
            sources = json.loads(answer[2])["sources"] if answer and answer[0] == 200 else []
            return sources and sources[0]["lines"] >= self.traffic.count

        wait(counted, "every line is counted", 60)


def browse(case, **look):
    browser = Browser(case.folder)
    case.cleanups.append(browser.close)
    return browser.page(**look)


def sound(page, what):
    """Nothing complained, and nothing is wider than the screen."""
    equal(page.errors, [], f"what the console says on {what}")
    wide, inner = page.run("[document.documentElement.scrollWidth, innerWidth]")
    require(wide <= inner, f"{what} is {wide} px wide on a screen of {inner} px")


def details(page, site):
    """Addresses of one session, request and consumer, as their lists name them."""
    found = []
    for lists, link in (("/sessions?since=24h", "table a.id"), ("/requests?since=24h", "tbody th a"), ("/consumers", "tbody th a")):
        page.open(site.url + lists)
        found.append(page.until(f"document.querySelector({json.dumps(link)})?.href", f"{lists} has a first entry"))
    return found


def each_page_opens_in_every_form_without_a_complaint(case):
    site = Site(case)
    forms = (
        ("a desk, light, English", "en", {"width": 1280, "height": 900}),
        ("a phone, dark, Chinese", "zh", {"width": 360, "height": 740, "dark": True, "touch": True}),
        ("a wide screen, dark, English", "en", {"width": 2200, "height": 1200, "dark": True}),
    )
    browser = Browser(case.folder)
    case.cleanups.append(browser.close)
    page = browser.page(width=1280)
    pages = [site.url + path for path in PAGES] + details(page, site)
    for form, language, look in forms:
        page.look(**look)
        page.run(f"localStorage.setItem('language', '{language}')")
        grounds = set()
        for url in pages:
            page.errors.clear()
            page.open(url)
            what = f"{url.removeprefix(site.url)} on {form}"
            sound(page, what)
            equal(page.run("document.documentElement.lang.slice(0, 2)"), language, f"the language of {what}")
            equal(page.run(RAW_KEYS), [], f"untranslated words on {what}")
            equal(page.run(UNNAMED), [], f"what has no name on {what}")
            equal(page.run(FAINT), [], f"faint text on {what}")
            equal(page.run("document.querySelectorAll('.trouble').length"), 0, f"problems on {what}: {page.text()[:300]}")
            grounds.add(page.run("getComputedStyle(document.body).backgroundColor"))
        equal(len(grounds), 1, f"one ground for all pages on {form}: {grounds}")
    case.figure(f"{len(pages)} pages in {len(forms)} forms")


def filters_are_in_the_address_and_the_back_button_takes_them_back(case):
    site = Site(case)
    page = browse(case)
    page.open(f"{site.url}/requests?since=24h")
    rows = "document.querySelectorAll('table[data-name=requests] tbody tr').length"
    equal(page.until(rows), 50, "requests on the first page")
    page.run("document.querySelector('a[rel=next]').click()")
    page.until("location.search.includes('cursor=')")
    page.settled()
    require(page.run(rows) > 0, "the second page has requests")
    page.run("history.back()")
    page.until("!location.search.includes('cursor=')")
    page.settled()

    # A field, as a person fills it.
    page.run("document.querySelector('input[name=consumer]').focus()")
    page.call("Input.insertText", text=IMAGE.replace("\\", "\\\\").replace(",", "\\,"))
    page.press("Enter")
    page.until("location.search.includes('consumer=')")
    page.until(f"{rows} === 15", "five sessions of three turns are that consumer's")
    equal(page.run("document.querySelector('.chip > bdi').textContent"), IMAGE, "the chip")
    # The file holds what the list shows, whatever its pages.
    text = page.run("fetch(document.querySelector('.export a').href).then((answer) => answer.text())")
    equal(len(list(csv.DictReader(io.StringIO(text)))), 15, "rows of the exported file")
    page.run("[...document.querySelectorAll('thead a')].find((a) => a.closest('th').textContent.startsWith('Cost')).click()")
    page.until("location.search.includes('sort=cost') && document.querySelector('th[aria-sort=descending]')?.textContent.startsWith('Cost')")
    page.settled()
    costs = page.run("[...document.querySelectorAll('table[data-name=requests] tbody tr td:last-child')].map((cell) => parseFloat(cell.textContent))")
    equal(costs, sorted(costs, reverse=True), "costs, the largest first")
    # What is shared is what is seen.
    page.open(page.run("location.href"))
    page.until(f"{rows} === 15")
    page.run("document.querySelector('.chip a.x').click()")
    page.until(f"!location.search.includes('consumer=') && {rows} === 50")
    page.run("history.back()")
    page.until(f"location.search.includes('consumer=') && {rows} === 15")

    # A dimension of the user's own is a choice like the others.
    page.open(f"{site.url}/usage")
    page.run("[...document.querySelectorAll('.choice a')].find((a) => a.textContent === 'team').click()")
    page.until("location.search.includes('by=team') && [...document.querySelectorAll('tbody th')].some((cell) => cell.textContent === 'sales')")
    page.open(f"{site.url}/requests?since=24h&error=any")
    page.until("[...document.querySelectorAll('tbody tr')].every((row) => row.querySelector('.badge.bad'))")
    page.open(f"{site.url}/requests?since=24h&dimension.team=sales")
    page.until("document.querySelectorAll('tbody tr').length > 0")
    # A filter that cannot be is explained, and the way out is there.
    page.errors.clear()
    page.open(f"{site.url}/requests?status=many")
    require("status" in page.run("document.querySelector('.trouble').textContent"), "the problem names the parameter")
    page.run("document.querySelector('.chip a.x').click()")
    page.until("!document.querySelector('.trouble')")
    # Nor is one that a list does not have left out in silence.
    page.open(f"{site.url}/sessions?since=24h&status=500&consumer=app-1")
    require("status" in page.run("document.querySelector('.trouble').textContent"), "the problem names the filter")
    page.run("[...document.querySelectorAll('.chip a.x')].find((x) => x.href.includes('consumer') && !x.href.includes('status')).click()")
    page.until("!document.querySelector('.trouble')")
    page.errors.clear()
    for path in ("/sessions?since=24h&consumer=app-1", "/usage?by=day", "/cost"):
        page.open(site.url + path)
        files = page.run("Promise.all([...document.querySelectorAll('.export a')].map((a) => fetch(a.href).then((answer) => answer.status)))")
        require(files and set(files) == {200}, f"what the export links of {path} give: {files}")
    page.open(f"{site.url}/sessions?since=24h&consumer=nobody")
    page.until("document.querySelector('.empty')")


def what_a_log_says_is_text_and_never_runs(case):
    site = Site(case)
    page = browse(case)
    for path in ("/sessions?since=24h", "/requests?since=24h", "/consumers", "/usage?by=consumer", "/cost?by=consumer", "/cost?by=team"):
        page.open(site.url + path)
        equal(page.run("document.querySelectorAll('bdi img, bdi script, bdi b, [onerror]').length"), 0, f"markup on {path}")
        require(page.run("document.title") != "taken", f"a name in the log ran on {path}")
        sound(page, path)
    for session in (SCRIPT, RTL, IMAGE, SLASHED):
        address = f"{site.url}/sessions/{quote(session, safe='')}"
        page.open(address)
        equal(page.until("document.querySelector('h1 bdi')?.textContent"), session, f"the heading of {address}")
        equal(page.run("document.querySelectorAll('table[data-name=turns] tbody tr').length"), 3, f"turns of {address}")
        require(page.run("document.title").startswith("Session "), f"the title of {address} is {page.run('document.title')}")
        require(page.run("getComputedStyle(document.querySelector('h1 bdi')).unicodeBidi").startswith("isolate"), "the id is isolated")
        require(SCRIPT in page.run("document.querySelector('table[data-name=turns]').textContent"), "the tool's name is text")
        equal(page.run("document.querySelector('.facts a[target]')?.href.startsWith('https://traces.example/')"), True, "the link to the trace")
        sound(page, address)
        # The address that the list gives is the same session.
        page.open(f"{site.url}/sessions?since=24h")
        page.run(f"[...document.querySelectorAll('a.id')].find((a) => a.textContent === {json.dumps(session)}).click()")
        equal(page.until("document.querySelector('h1 bdi')?.textContent"), session, "the heading behind the list")
    page.open(f"{site.url}/sessions/{quote(SLASHED)}")
    equal(page.until("document.querySelector('h1 bdi')?.textContent"), SLASHED, "an address whose slashes are not encoded")
    # 10 kB, which the ledger keeps as a hash.
    page.look(width=360, height=740, touch=True)
    page.open(f"{site.url}/sessions/{quote(LONG, safe='')}")
    equal(page.until("document.querySelectorAll('table[data-name=turns] tbody tr').length"), 3, "turns of the long id")
    sound(page, "the page of an id of 10 kB")


def what_is_shown_stays_fresh_and_says_when_it_cannot(case):
    site = Site(case)
    page = browse(case)
    page.open(site.url)
    number = "Number(document.querySelector('[data-card=requests] .value').textContent.replaceAll(',', ''))"
    before = page.until(number)
    # What a person does in the meantime stays: an open table, the focus.
    page.run("document.querySelector('details.figures').open = true; document.querySelector('nav a[href=cost]').focus()")
    started = time.monotonic()
    site.traffic.add("fresh", age=1.0)
    page.until(f"{number} === {before + 1}", "the new request is counted without a reload")
    took = time.monotonic() - started
    require(took <= 30, f"fresh after {took:.0f} s")
    case.figure(f"a new request was on the page after {took:.1f} s")
    require(page.run("document.querySelector('details.figures').open && document.activeElement.getAttribute('href') === 'cost'"), "an open table and the focus stay")
    equal(page.errors, [], "what the console says")
    # Without tokentail the figures stay, with what is wrong; they go on when it is back.
    site.kill()
    page.run("window.dispatchEvent(new Event('refresh'))")
    page.until("document.querySelector('.trouble')?.textContent.includes('does not answer')")
    equal(page.run(number), before + 1, "the last figures")
    Process(case, "tokentail", [case.binary, "run", "--config", site.config])
    page.until("!document.querySelector('.trouble')", "the problem goes when tokentail is back")
    # Paused means that nothing is asked.
    page.run("document.querySelector('.fresh button').click()")
    equal(page.run("document.querySelector('.fresh button').getAttribute('aria-pressed')"), "true", "the pause button")
    page.run("performance.clearResourceTimings()")
    # Behind another tab it is the same, which headless browsers tell by this event.
    page.run("Object.defineProperty(document, 'hidden', { value: true, configurable: true }); document.dispatchEvent(new Event('visibilitychange'))")
    page.run("Object.defineProperty(document, 'hidden', { value: false, configurable: true }); document.dispatchEvent(new Event('visibilitychange'))")
    equal(page.run("performance.getEntriesByType('resource').length"), 0, "questions while paused")
    page.run("document.querySelector('.fresh button').click()")
    page.until("performance.getEntriesByType('resource').length > 0", "it goes on")


def the_page_works_by_keyboard_alone(case):
    site = Site(case)
    page = browse(case)
    page.open(site.url)
    focus = "document.activeElement"
    page.press("Tab")
    equal(page.run(f"{focus}.className"), "skip", "the first stop is the skip link")
    require(page.run(f"{focus}.getBoundingClientRect().top >= 0 && getComputedStyle({focus}).outlineStyle !== 'none'"), "it is seen")
    page.press("Enter")
    equal(page.run(f"{focus}.id"), "main", "it leads to the content")
    page.open(site.url)
    for _ in range(40):
        page.press("Tab")
        require(page.run(f"{focus} !== document.body && getComputedStyle({focus}).outlineStyle !== 'none'"), f"the focus is seen on {page.run(focus + '.outerHTML')[:120]}")
        if page.run(f"{focus}.getAttribute('href') === 'sessions' && !!{focus}.closest('nav')"):
            break
    page.press("Enter")
    page.until("location.pathname === '/sessions'")
    page.settled()
    equal(page.run(f"{focus}.tagName"), "H1", "after a change of page the heading is read")
    equal(page.run("document.querySelector('nav a[aria-current=page]').textContent"), "Sessions", "the page that is shown")
    # A choice of the theme is kept.
    page.run("const select = document.querySelector('.switches select'); select.value = 'dark'; select.dispatchEvent(new Event('change', { bubbles: true }))")
    dark = page.run("getComputedStyle(document.body).backgroundColor")
    page.open(f"{site.url}/status")
    equal(page.run("getComputedStyle(document.body).backgroundColor"), dark, "the dark ground after another start")
    page.run("localStorage.clear()")
    page.open(f"{site.url}/status")
    require(page.run("getComputedStyle(document.body).backgroundColor") != dark, "the system's theme is light")
    equal(page.errors, [], "what the console says")


def a_proxys_prefix_is_kept_and_an_empty_ledger_says_what_to_do(case):
    site = Site(case, web={"external_url": "https://example.org/tools/tokentail"}, empty=True)
    page = browse(case)
    for base in ("/tools/tokentail/", "/tools/tokentail", "/"):
        page.open(site.url + base)
        require("No requests yet" in page.text(), f"the first steps are shown below {base}")
        page.run("document.querySelector('nav a[href=status]').click()")
        page.until("location.pathname === '/tools/tokentail/status'", "links keep the prefix")
        page.settled()
        require(str(site.traffic.path) in page.text(), "the log that is waited for is named")
        equal(page.errors, [], f"what the console says below {base}")
    for path in PAGES:
        page.open(f"{site.url}/tools/tokentail{path}")
        sound(page, f"{path} of an empty ledger")
        equal(page.run("document.querySelectorAll('.trouble').length"), 0, f"problems on {path}: {page.text()[:300]}")


CASES = [
    each_page_opens_in_every_form_without_a_complaint,
    filters_are_in_the_address_and_the_back_button_takes_them_back,
    what_a_log_says_is_text_and_never_runs,
    what_is_shown_stays_fresh_and_says_when_it_cannot,
    the_page_works_by_keyboard_alone,
    a_proxys_prefix_is_kept_and_an_empty_ledger_says_what_to_do,
]
