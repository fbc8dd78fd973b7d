// Captured conversations become parts of pages: who may see them, and each loaded when it comes into sight.

import { Problem, address, get } from "./api.js";
import { h, island, render } from "./dom.js";
import { trouble } from "./panel.js";
import { literal } from "./place.js";
import { exchange } from "./said.js";
import { t } from "./words.js";

/// How far below the window a conversation is loaded already.
const AHEAD = "800px";

/// Who asks, and whose content is captured.
export function me(signal) {
  return get("me", {}, signal);
}

/// Why this reader sees nothing; `null` for administrators.
export function barred(who) {
  return who.role === "admin" ? null : h("p", { class: "about" }, t("content.admin"));
}

/// Whether anything is captured at present.
export function isOn(who) {
  return who.capture.gateways.length > 0 || who.capture.consumers.length > 0;
}

/// An answer, or the problem that it met, so that the rest of a page stands.
export async function attempt(question) {
  try {
    return await question;
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
}

/// One conversation, asked for when it comes near the window.
export function conversation({ id, erased }) {
  return island("conversation", "div", { key: `conversation-${id}` }, { id, erased }, mount);
}

function mount(node, first) {
  let shown = first;
  const load = async () => {
    try {
      const answer = await get(`conversations/${encodeURIComponent(shown.id)}`);
      render(node, exchange(answer));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      render(node, trouble(error, { retry: load }));
    }
  };
  node.replaceChildren(h("div", { class: "turn-wait", role: "status" }, h("span", { class: "hidden" }, t("loading"))));
  const watch = new IntersectionObserver((entries) => {
    if (!node.isConnected) watch.disconnect();
    else if (entries.some((entry) => entry.isIntersecting)) {
      watch.disconnect();
      load();
    }
  }, { rootMargin: AHEAD });
  watch.observe(node);
  return (next) => {
    // What was said does not change, but that it is gone.
    const changed = next.erased !== shown.erased;
    shown = next;
    if (changed) load();
  };
}

/// Links that hand conversations out as files.
export function exporting(asking) {
  const query = Object.fromEntries(Object.entries(asking).map(([name, value]) => [name, Array.isArray(value) ? value : value && literal(name, value)]));
  return h("span", { class: "export" }, t("export"), " ", [["jsonl", "JSONL"], ["json", "JSON"], ["chat", t("content.chat")]].map(([format, label]) =>
    h("a", { class: "button", href: address("conversations/export", { ...query, format }), download: true, key: format, title: format === "chat" ? t("content.chat.about") : null }, label)));
}
