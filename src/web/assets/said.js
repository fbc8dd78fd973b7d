// What was said becomes views: long texts folded, Markdown and code drawn, tool calls with their arguments.
//
// All of it is hostile. Only what is unfolded is drawn, a piece at a time; what is too long for Markdown stays plain text.

import { block, pretty } from "./code.js";
import { copier } from "./copy.js";
import { h, island } from "./dom.js";
import { bytes, count, foreign } from "./format.js";
import { MOST, elements, isReady, ready } from "./markdown.js";
import { badge } from "./panel.js";
import { to } from "./place.js";
import { named, t } from "./words.js";

/// A folded text shows this many characters and lines.
const FOLDED = { characters: 1200, lines: 16 };

/// Plain text is added in pieces of this many characters.
const PIECE = 64 * 1024;

/// What makes a text look other than it is written.
const MARKED = /[*_`~#>|[\]<\\&]|^\s*(?:[-+]|\d+[.)])\s/m;

/// Roles that have words of their own.
const ROLES = ["system", "developer", "user", "assistant", "tool"];

/// How many of a text's characters a piece from `from` of about `size` has: it ends at a line's end where one is near,
/// and never within a character.
function end(text, from, size) {
  if (text.length - from <= size) return text.length;
  const line = text.lastIndexOf("\n", from + size);
  if (line > from + size / 2) return line;
  const code = text.charCodeAt(from + size - 1);
  return from + size - (code >= 0xd800 && code < 0xdc00 ? 1 : 0);
}

/// Where a folded text ends; its length where it is short enough to be shown whole.
function foldAt(text) {
  let at = -1;
  for (let line = 0; line < FOLDED.lines; line += 1) {
    at = text.indexOf("\n", at + 1);
    if (at < 0) return text.length <= FOLDED.characters * 1.25 ? text.length : end(text, 0, FOLDED.characters);
    if (at > FOLDED.characters) break;
  }
  return at <= FOLDED.characters && text.length - at < 200 ? text.length : end(text, 0, Math.min(at, FOLDED.characters));
}

/// A text, folded where it is long. `plain`: never taken for Markdown.
export function said(text, { plain = false, key } = {}) {
  return island("said", "div", { class: "said", key }, { text, plain }, mount);
}

function mount(node, first) {
  let { text, plain } = first;
  let written = plain;
  let unfolded = false;

  const draw = () => {
    const fold = foldAt(text);
    const whole = unfolded || fold === text.length;
    const shown = whole ? text : text.slice(0, fold);
    const drawn = !written && shown.length <= MOST;
    const made = drawn && isReady() ? elements(shown) : null;
    const body = h("div", { class: made ? "prose" : "prose written", dir: "auto" });
    if (made) body.append(made);
    else if (drawn && !isReady()) {
      body.append(shown);
      ready().then(draw, () => {
        written = true;
        draw();
      });
    } else pieces(body, shown);
    const tools = h("div", { class: "said-tools" },
      fold === text.length ? null : h("button", { type: "button", "aria-expanded": String(unfolded), onclick: () => {
        unfolded = !unfolded;
        draw();
        // Folding from far below would leave the reader elsewhere.
        if (!unfolded && node.getBoundingClientRect().top < 0) node.scrollIntoView({ block: "start" });
      } }, unfolded ? t("content.fold") : t("content.unfold", { size: bytes(text.length) })),
      plain || text.length > MOST || !MARKED.test(text) ? null : h("button", { type: "button", "aria-pressed": String(written), onclick: () => {
        written = !written;
        draw();
      } }, t("content.written")),
      copier(() => text));
    node.replaceChildren(body, tools);
  };

  draw();
  return (next) => {
    if (next.text === text && next.plain === plain) return;
    ({ text, plain } = next);
    written = plain;
    draw();
  };
}

/// Plain text, a piece at a time.
function pieces(body, text) {
  let from = 0;
  const more = h("button", { type: "button", onclick: () => add() });
  const add = () => {
    const to = end(text, from, PIECE);
    more.remove();
    body.append(h("span", { class: "piece" }, text.slice(from, to)));
    from = to;
    if (from < text.length) {
      more.textContent = t("content.more", { size: bytes(text.length - from) });
      body.append(more);
    }
  };
  add();
}

/// A text that may be JSON, such as a tool's arguments or result.
function data(text, key) {
  const json = pretty(text);
  if (json !== null && json.length <= 4 * FOLDED.characters) return island("data", "div", { key }, json, (node, shown) => {
    node.replaceChildren(block(shown, "json"));
    return (next) => {
      if (next !== shown) node.replaceChildren(block(next, "json"));
      shown = next;
    };
  });
  return said(json ?? text, { plain: true, key });
}

function calls(list) {
  return list.map((call, index) => h("div", { class: "call", key: `call-${index}` },
    h("p", {}, h("strong", {}, t("content.call")), " ", h("code", {}, foreign(call.name)), call.id ? h("span", { class: "dim small" }, " ", foreign(call.id)) : null),
    call.arguments ? data(call.arguments, "arguments") : null));
}

/// One message.
export function message(one, key) {
  const known = ROLES.includes(one.role);
  const nothing = !one.text && !one.reasoning && !one.tool_calls?.length;
  return h("article", { class: `message ${known ? `role-${one.role}` : "role-other"}`, key },
    h("div", { class: "message-head" }, h("strong", {}, known ? named("role", one.role) : foreign(one.role)),
      one.tool_call_id ? h("span", { class: "dim small" }, t("content.answers"), " ", foreign(one.tool_call_id)) : null,
      one.cut ? badge(t("content.cut"), "warn") : null),
    one.reasoning ? h("details", { class: "reasoning" }, h("summary", {}, t("content.reasoning"), " ", h("span", { class: "dim small" }, bytes(one.reasoning.length))), said(one.reasoning, { key: "reasoning" })) : null,
    one.text ? (one.role === "tool" ? data(one.text, "text") : said(one.text, { key: "text" })) : null,
    calls(one.tool_calls ?? []),
    nothing ? h("p", { class: "dim" }, t("content.empty")) : null);
}

/// What one request asked and was answered.
export function exchange(answer) {
  const { conversation, messages, answer: reply } = answer;
  if (conversation.erased) return h("p", { class: "about" }, t("content.erased"));
  return h("div", { class: "exchange" },
    conversation.earlier ? h("p", { class: "dim small" }, t("content.earlier", { n: count(conversation.earlier) }), conversation.previous ? [" ", h("a", { href: to("requests", conversation.previous) }, t("content.previous"))] : null) : null,
    messages.map((one, index) => message(one, `m${index}`)),
    reply ? message(reply, "answer") : h("p", { class: "dim small" }, t("content.no_answer")));
}
