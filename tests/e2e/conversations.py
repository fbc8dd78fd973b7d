"""Cases: captured conversations on the page, in a real browser, on the running binary: found, read, and harmless whatever was said."""

import json
import time
from urllib.parse import quote

from gateway import rfc3339
from harness import equal, require
from page import FAINT, RAW_KEYS, UNNAMED, Site, browse, sound

MARKDOWN = """# Plan

**Bold**, `code`, [a link](https://example.org/?a=b), [mail](mailto:a@example.org), [script](javascript:document.title='taken'),
[data](data:text/html,<script>document.title='taken'</script>), ![a cat](https://images.example/cat.png), <img src=x onerror=document.title='taken'>

| Name | Amount |
|---|---:|
| Alpha | 12.50 |

```python
def greet(name):
    return "Hello, " + name  # kindly
```

<script>document.title='taken'</script>
"""
RTL = "جلسة \u202eabc\u202c **مهم** <b>x</b>"
HOSTILE = ("<script>document.title='taken'</script> ![x](https://images.example/) [a](javascript:document.title='taken') " * 12000)[: 1 << 20]
"""A megabyte less a little, which is the most that is kept of one conversation."""
QUESTION = "请问如何退款？订单号 20261101，谢谢。 How do I get a refund?"

MARKUP = "document.querySelectorAll('.message :is(img, script, iframe, object, embed, form, svg, [onerror], [onclick], [style])').length"
LINKS = "[...document.querySelectorAll('.message a')].map((a) => [a.protocol, a.rel.includes('noopener')])"
SHOWN = "(document.querySelector('.turn-wait')?.scrollIntoView(), document.querySelector('.message'))"
"""A turn is loaded when it comes near the window."""


class Talk(Site):
    """A running `tokentail run` that captures what its gateway logs."""

    def fill(self):
        self.turns("talk", [(QUESTION, MARKDOWN, "", ()), ("And in Berlin?", "", "I look it up.", (("weather", '{"city": "Berlin", "days": 3}'),)), (RTL, RTL, "", ())])
        self.turns("hostile", [("short", HOSTILE[: (1 << 20) - 4096], "", ())])
        # Too many elements, and too deep ones.
        self.turns("dense", [("*a*" * 9000, "> " * 9000, "", ()), ("|a|b|\n|-|-|\n" + "|c|d|\n" * 4000, "```js\na\n```\n" * 2000, "", ())])

    def turns(self, session, turns):
        messages = []
        for number, (question, answer, reasoning, calls) in enumerate(turns):
            messages.append({"role": "user", "content": question})
            self.line(session, number, messages, question, answer, reasoning, calls)
            messages.append({"role": "assistant", "content": answer})

    def line(self, session, number, messages, question, answer, reasoning, calls):
        traffic = self.traffic
        traffic.count += 1
        log = {"chat_round": number + 1, "consumer": "app-1", "model": "gpt-4o", "response_type": "normal", "session_id": session, "input_token": 100,
               "output_token": 10, "total_token": 110, "messages": messages, "question": question, "answer": answer, "reasoning": reasoning}
        if calls:
            log["tool_calls"] = [{"id": f"call-{name}", "type": "function", "function": {"name": name, "arguments": arguments}} for name, arguments in calls]
        line = {"ai_log": json.dumps(log), "request_id": f"said-{traffic.count}", "response_code": "200", "duration": "900", "method": "POST",
                "start_time": rfc3339(time.time() - 600 + traffic.count), "upstream_cluster": "outbound|443||llm-openai.internal.dns",
                "path": "/v1/chat/completions", "response_flags": "-", "response_code_details": "via_upstream"}
        with open(traffic.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def settings(self):
        return {"content": {"capture": {"gateways": ["higress"]}}}


def read_all(page):
    """Scrolls through the page, so that what is loaded when it comes into sight is loaded, and unfolds everything."""
    for _ in range(3):
        for at in range(0, page.run("document.documentElement.scrollHeight"), 700):
            page.run(f"scrollTo(0, {at})")
        page.until("!document.querySelector('.turn-wait')", "every turn is loaded")
    page.run("for (const one of document.querySelectorAll('details.reasoning')) one.open = true")
    return unfold(page)


def unfold(page):
    """Presses every button that unfolds; how long the page took to answer after each, at most, in seconds."""
    worst = 0.0
    for _ in range(40):
        started = time.monotonic()
        button = "document.querySelector('.said-tools button[aria-expanded=false]')"
        if not page.run(f"{button} ? ({button}.click(), true) : false"):
            break
        page.run("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
        worst = max(worst, time.monotonic() - started)
    return worst


def harmless(page, what):
    equal(page.run(MARKUP), 0, f"markup in {what}")
    for protocol, apart in page.run(LINKS):
        require(protocol in ("https:", "http:", "mailto:") and apart, f"a link of {what} leads to {protocol}")
    require(page.run("document.title") != "taken", f"something in {what} ran")
    sound(page, what)


def what_was_said_is_text_and_never_runs(case):
    site = Talk(case)
    page = browse(case, width=1280, height=900)
    for session in ("talk", "hostile", "dense"):
        page.open(f"{site.url}/sessions/{session}")
        page.until(SHOWN, f"what was said in {session} is shown")
        worst = read_all(page)
        require(worst < 5, f"unfolding in {session} held the page up for {worst:.1f} s")
        case.figure(f"unfolding in the session {session} held the page up for {worst:.2f} s at most")
        harmless(page, f"the session {session}")
    page.open(f"{site.url}/sessions/talk")
    page.until(SHOWN)
    read_all(page)
    for selector, what in (("strong", "bold text"), (".md-h1", "a heading"), (".prose table", "a table"), (".code-keyword", "coloured code"), (".call code", "a tool call")):
        page.until(f"document.querySelector('.message {selector}')", f"{what} is drawn")
    equal(page.run("document.querySelector('.message a[href*=cat]').textContent"), "image: a cat", "an image is a link")
    require("<script>document.title='taken'</script>" in page.run("document.querySelector('.exchange').textContent"), "the script is text")
    for script, what in ((UNNAMED, "nameless"), (FAINT, "faint"), (RAW_KEYS, "raw keys")):
        equal(page.run(script), [], what)
    # A copy button says what came of it, also where the browser gives scripts no clipboard.
    page.run("document.querySelector('.message .copy').click()")
    page.until("/^(Copied|Could not copy)$/.test(document.querySelector('.message .copy').textContent)", "the button answers")
    page.look(width=360, height=740, dark=True, touch=True)
    for path in ("/sessions/talk", "/sessions/hostile"):
        page.open(site.url + path)
        page.until(SHOWN)
        read_all(page)
        harmless(page, f"{path} on a phone")


def conversations_are_found_by_their_words(case):
    site = Talk(case)
    page = browse(case, width=1280, height=900)
    page.open(f"{site.url}/conversations")
    page.until("document.querySelectorAll('.found li').length === 6", "every conversation is listed")
    harmless(page, "the list of conversations")
    for words in ("退款", "refund", '"get a refund"'):
        page.until("document.querySelector('.search-form input')")
        page.run(f"document.querySelector('.search-form input').value = {json.dumps(words)}; document.querySelector('.search-form').requestSubmit()")
        page.until(f"new URLSearchParams(location.search).get('q') === {json.dumps(words)}", "the words are in the address")
        page.settled()
        page.until("document.querySelectorAll('.found li').length === 1 && document.querySelector('.snippet mark')", f"{words} is found and marked")
    require(not page.run("document.querySelector('.chips')"), "words that are searched for are in their own field alone")
    harmless(page, "what was found")
    page.run("document.querySelector('.found-head a').click()")
    page.until(SHOWN, "its request shows it")
    require("退款" in page.text(), "the question is on the request's page")
    page.open(f"{site.url}/conversations?q={quote('nowhere said')}")
    page.until("document.querySelector('.empty')")
    page.open(f"{site.url}/consumers")
    require("content is kept" in page.text(), "consumers say whose content is captured")


def only_administrators_see_what_was_said(case):
    site = Talk(case, web={"trusted_user_header": "X-User", "roles": {"root": "admin"}}, user="root")
    page = browse(case, width=1280, height=900)
    page.call("Network.setExtraHTTPHeaders", headers={"X-User": "bob"})
    for path in ("/conversations", "/sessions/talk"):
        page.open(site.url + path)
        page.until("document.body.innerText.includes('Only administrators see what was said')", f"{path} says who may")
        require("refund" not in page.text(), f"{path} shows nothing of it")
        sound(page, f"{path} for a viewer")


CASES = [what_was_said_is_text_and_never_runs, conversations_are_found_by_their_words, only_administrators_see_what_was_said]
