// Code becomes elements with colours, from the highlighter's tree and never from markup; a button copies it.

import { copier } from "./copy.js";
import { h } from "./dom.js";
import { bytes } from "./format.js";
import { t } from "./words.js";

/// Longer code has no colours.
const MOST = 16 * 1024;

/// Nor has code with such a run: the grammars look for a name's or a gap's end again from each of its characters.
const RUN = /\S{120}|\s{200}/;

/// Languages that have colours, with the names that people give them.
const LANGUAGES = {
  "bash": ["sh", "shell", "zsh", "console"],
  "c": ["h"],
  "cpp": ["c++", "cc", "hpp"],
  "css": [],
  "diff": ["patch"],
  "dockerfile": ["docker"],
  "go": ["golang"],
  "java": [],
  "javascript": ["js", "jsx", "mjs"],
  "json": ["jsonc", "json5"],
  "python": ["py", "python3"],
  "rust": ["rs"],
  "sql": ["mysql", "postgresql", "sqlite"],
  "typescript": ["ts", "tsx"],
  "xml": ["html", "svg", "vue"],
  "yaml": ["yml"],
};

/// Classes of colours by the first part of the highlighter's scopes; other scopes have none.
const TONES = {
  keyword: "keyword", built_in: "name", type: "name", literal: "number", number: "number", regexp: "text", string: "text", subst: null, symbol: "number",
  variable: null, title: "name", comment: "comment", doctag: "comment", meta: "comment", attr: "attribute", attribute: "attribute", name: "keyword",
  "selector-tag": "keyword", "selector-id": "name", "selector-class": "name", quote: "comment", section: "name", bullet: "keyword", addition: "added", deletion: "removed", property: "attribute",
};

let highlighter = null;
let painting = Promise.resolve();
const loaded = new Map();

function known(name) {
  const lower = name.toLowerCase();
  return Object.entries(LANGUAGES).find(([language, names]) => language === lower || names.includes(lower))?.[0] ?? null;
}

async function grammar(language) {
  highlighter ??= import("./vendor/highlight/core.min.js").then((module) => module.default);
  const core = await highlighter;
  if (!loaded.has(language)) {
    loaded.set(language, import(`./vendor/highlight/${language}.min.js`).then((module) => {
      core.registerLanguage(language, module.default);
    }));
  }
  await loaded.get(language);
  return core;
}

/// A block of code. `info` is what its author says that it is.
export function block(text, info) {
  const language = known(info);
  const code = h("code", {}, text);
  if (language && text.length <= MOST && !RUN.test(text)) {
    // One after the other, so that the page answers between them.
    painting = painting.then(() => paint(code, text, language)).catch(() => {
      // Without colours it reads as well.
    });
  }
  return h("div", { class: "code" },
    h("div", { class: "code-head" }, h("span", { class: "dim small" }, info.slice(0, 40) || t("content.code"), text.length > 4096 ? ` · ${bytes(text.length)}` : ""), copier(() => text)),
    h("pre", { dir: "ltr", tabindex: 0, "aria-label": t("content.code") }, code));
}

async function paint(code, text, language) {
  const core = await grammar(language);
  await new Promise((wake) => setTimeout(wake));
  if (!code.isConnected) return;
  // The tree, whose leaves are texts; the highlighter's markup is not looked at.
  const root = core.highlight(text, { language, ignoreIllegals: true })._emitter?.rootNode;
  if (root) code.replaceChildren(...nodes(root.children));
}

function nodes(children) {
  return children.map((child) => {
    if (typeof child === "string") return document.createTextNode(child);
    const tone = TONES[String(child.scope ?? "").split(".")[0]];
    return h("span", { class: tone ? `code-${tone}` : null }, nodes(child.children));
  });
}

/// JSON as people read it, or `null` where it is none, is too long, or would say something else when written anew.
export function pretty(text) {
  if (text.length > MOST || !/^\s*[[{]/.test(text)) return null;
  try {
    const value = JSON.parse(text);
    // Numbers beyond what a script holds would change.
    if (JSON.stringify(value).replace(/\s/g, "").length !== text.replace(/\s/g, "").length) return null;
    return JSON.stringify(value, null, 2);
  } catch {
    return null;
  }
}
