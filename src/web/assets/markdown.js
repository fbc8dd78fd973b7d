// Markdown becomes elements, from the parser's tokens and never from markup: HTML in it stays text, images become links.

import { block } from "./code.js";
import { h } from "./dom.js";
import { t } from "./words.js";

/// Longer texts are not taken for Markdown: the parser is quick on any text of this length, and so is the page.
export const MOST = 32 * 1024;

/// A text of more pieces than this is shown as it is written: it would be more elements than a page is quick with.
const PIECES = 10_000;

let parser = null;

/// Loads the parser, once.
export async function ready() {
  if (parser) return;
  await import("./vendor/markdown-it.umd.min.js");
  const made = globalThis.markdownit({ html: false, linkify: false, typographer: false, breaks: true, maxNesting: 20 });
  // Also what is no link here is parsed as one, so that its text stands where its address is not followed.
  made.validateLink = () => true;
  parser = made;
}

/// Whether [`elements`] may be asked.
export function isReady() {
  return parser !== null;
}

/// The elements of a text, `null` where they are too many; the parser must be loaded.
export function elements(text) {
  const tokens = parser.parse(text, {});
  const pieces = tokens.reduce((sum, token) => sum + (token.type === "fence" ? 10 : 1) + (token.children?.length ?? 0), 0);
  return pieces > PIECES ? null : build(tokens);
}

/// Blocks by the names of their tokens, as elements with what is fixed of their attributes.
const BLOCKS = {
  paragraph: () => h("p", { dir: "auto" }),
  heading: ({ tag }) => h("div", { class: `md-heading md-${tag}`, role: "heading", "aria-level": Math.min(6, Number(tag[1]) + 3), dir: "auto" }),
  bullet_list: () => h("ul", {}),
  ordered_list: (token) => h("ol", { start: whole(token.attrGet("start")) }),
  list_item: () => h("li", { dir: "auto" }),
  blockquote: () => h("blockquote", { dir: "auto" }),
  table: () => h("table", {}, h("caption", { class: "hidden" }, t("content.table"))),
  thead: () => h("thead", {}),
  tbody: () => h("tbody", {}),
  tr: () => h("tr", {}),
  th: (token) => h("th", { class: side(token), dir: "auto" }),
  td: (token) => h("td", { class: side(token), dir: "auto" }),
  em: () => h("em", {}),
  strong: () => h("strong", {}),
  s: () => h("s", {}),
  link: (token) => link(token.attrGet("href")),
};

function whole(text) {
  const value = Number(text ?? NaN);
  return Number.isSafeInteger(value) && value >= 0 && value < 1e9 ? value : null;
}

function side(token) {
  return token.attrGet("style") === "text-align:right" ? "number" : null;
}

/// An address that may be followed; anything else is text beside its words.
function link(address) {
  let url = null;
  try {
    url = new URL(address);
  } catch {
    // Relative to a page that nobody knows.
  }
  if (!url || !["http:", "https:", "mailto:"].includes(url.protocol)) return h("span", { class: "no-link", title: address });
  return h("a", { href: url.href, title: url.href, target: "_blank", rel: "noopener noreferrer nofollow" });
}

/// What redaction leaves in the place of a text: its kind, as long as it was.
const BLOTTED = /(‹[\w-]{1,64}·{0,4096}›)/;

/// A text with its blotted places marked.
function text(content) {
  return content.split(BLOTTED).map((part, index) => (index % 2 ? h("span", { class: "blotted", title: t("content.blotted") }, part) : part));
}

function build(tokens) {
  const root = document.createDocumentFragment();
  const open = [root];
  const put = (node) => open[open.length - 1].append(node);
  for (const token of tokens) {
    const name = token.type.replace(/_(?:open|close)$/, "");
    if (token.nesting < 0) {
      if (!token.hidden && open.length > 1) open.pop();
    } else if (token.nesting > 0) {
      // A paragraph of a tight list has no element of its own.
      if (token.hidden) continue;
      const node = BLOCKS[name]?.(token) ?? h("span", {});
      // Tables may be wider than the page.
      if (name === "table") put(h("div", { class: "scroll" }, node));
      else put(node);
      open.push(node);
    } else if (name === "inline") {
      put(build(token.children ?? []));
    } else if (name === "fence" || name === "code_block") {
      put(block(token.content.replace(/\n$/, ""), token.info?.trim().split(/\s+/)[0] ?? ""));
    } else if (name === "code_inline") {
      put(h("code", {}, token.content));
    } else if (name === "softbreak" || name === "hardbreak") {
      put(h("br", {}));
    } else if (name === "hr") {
      put(h("hr", {}));
    } else if (name === "image") {
      const node = link(token.attrGet("src"));
      node.append(t("content.image", { what: token.content || token.attrGet("src") || "" }));
      put(node);
    } else {
      open[open.length - 1].append(...text(token.content));
    }
  }
  return root;
}
