// Starts the page: the frame around every view, moving between places, and keeping the shown one fresh.

import { Problem } from "./api.js";
import { h, render } from "./dom.js";
import { stamp, zone } from "./format.js";
import { trouble } from "./panel.js";
import { parse } from "./place.js";
import { choose, language, load, t } from "./words.js";
import consumer from "./pages/consumer.js";
import consumers from "./pages/consumers.js";
import conversations from "./pages/conversations.js";
import cost from "./pages/cost.js";
import overview from "./pages/overview.js";
import request from "./pages/request.js";
import requests from "./pages/requests.js";
import session from "./pages/session.js";
import sessions from "./pages/sessions.js";
import sla from "./pages/sla.js";
import status from "./pages/status.js";
import usage from "./pages/usage.js";

/// How often what is shown is asked for again.
const EVERY = 15_000;

/// Pages by the first part of their address: the list, and the one thing where there is one.
const PAGES = {
  "": { list: overview },
  sessions: { list: sessions, one: session },
  requests: { list: requests, one: request },
  conversations: { list: conversations },
  usage: { list: usage },
  consumers: { list: consumers, one: consumer },
  cost: { list: cost },
  sla: { list: sla },
  status: { list: status },
};

const app = document.getElementById("app");
let place = null;
let data = null;
let problem = null;
let busy = false;
let paused = false;
let menu = false;
let running = null;
let timer = 0;
let said = "";

function pageOf(where) {
  const pages = PAGES[where.page];
  return pages && (where.id ? pages.one : pages.list);
}

/// The newest commit that the shown data includes.
function asOf() {
  const answers = data?.as_of ? [data] : Object.values(data ?? {});
  return answers.map((answer) => answer?.as_of).filter(Boolean).sort()[0];
}

function frame() {
  const page = pageOf(place);
  const title = page ? page.title(place, data) : t("problem.no_page");
  document.title = `${title} · tokentail`;
  return [
    h("a", { class: "skip", href: "#main", onclick: (event) => {
      event.preventDefault();
      document.getElementById("main").focus();
    } }, t("skip")),
    h("header", { class: "top" },
      h("a", { class: "brand", href: "." }, h("img", { src: "assets/mark.svg", alt: "", width: 28, height: 28 }), "tokentail"),
      h("button", { class: "menu", type: "button", "aria-expanded": String(menu), "aria-controls": "nav", onclick: () => {
        menu = !menu;
        draw();
      } }, t("menu")),
      h("div", { class: "tools" }, freshness(), switches()),
    ),
    h("nav", { id: "nav", "aria-label": t("nav"), class: menu ? "open" : null },
      h("ul", {}, Object.keys(PAGES).map((name) =>
        h("li", {}, h("a", { href: name || ".", "aria-current": place.page === name ? (place.id ? "true" : "page") : null }, t(`nav.${name || "overview"}`))))),
    ),
    h("main", { id: "main", tabindex: -1, "aria-busy": String(busy && !data) },
      h("div", { class: "heading" },
        page?.above ? h("a", { class: "crumb", href: page.above()[0] }, "‹ ", page.above()[1]) : null,
        h("h1", { tabindex: -1 }, page?.heading ? page.heading(place, data) : title),
        page?.lead ? h("p", { class: "lead" }, page.lead(place, data)) : null),
      page ? page.controls?.(place, data) : null,
      problem ? trouble(problem, { stale: data && asOf(), retry: () => refresh(true) }) : null,
      page ? body(page) : trouble(new Problem("not_found", t("problem.no_page"), 404), {}),
    ),
    h("footer", {}, t("footer.zone", { zone }), " · ", h("a", { href: "metrics" }, "/metrics"), " · ", h("a", { href: "api/v1/openapi.json" }, t("footer.api"))),
    h("div", { class: "hidden", role: "status", "aria-live": "polite" }, said),
  ];
}

function body(page) {
  if (data) return h("div", { class: busy && running?.moved ? "body waiting" : "body" }, page.view(data, place));
  if (problem) return null;
  return h("div", { class: "body" }, h("div", { class: "skeleton", role: "status" }, h("span", { class: "hidden" }, t("loading")), h("i", {}), h("i", {}), h("i", {})));
}

function freshness() {
  const moment = asOf();
  return h("div", { class: "fresh" },
    h("span", { class: `dot ${problem ? "bad" : paused ? "off" : "good"}` }),
    h("span", { class: "when" }, moment ? t("fresh", { time: stamp(moment, "clock"), zone }) : problem ? t("stale") : t("loading")),
    h("button", { type: "button", "aria-pressed": String(paused), onclick: () => {
      paused = !paused;
      said = t(paused ? "said.paused" : "said.resumed");
      if (paused) draw();
      else refresh(true);
    } }, t(paused ? "resume" : "pause")),
  );
}

function theme() {
  return document.documentElement.dataset.theme ?? "auto";
}

function switches() {
  const select = (label, value, values, change) =>
    h("label", { class: "switch" }, h("span", { class: "hidden" }, label),
      h("select", { onchange: (event) => change(event.target.value) }, values.map(([name, text]) => h("option", { value: name, selected: name === value }, text))));
  return h("div", { class: "switches" },
    select(t("theme"), theme(), ["auto", "light", "dark"].map((name) => [name, t(`theme.${name}`)]), (name) => {
      if (name === "auto") delete document.documentElement.dataset.theme;
      else document.documentElement.dataset.theme = name;
      try {
        localStorage.setItem("theme", name);
      } catch {
        // It holds for this visit.
      }
      window.dispatchEvent(new Event("theme"));
    }),
    select(t("language"), language, [["en", "English"], ["zh", "中文"]], async (name) => {
      await choose(name);
      draw();
      window.dispatchEvent(new Event("theme"));
    }),
  );
}

function draw() {
  render(app, frame());
}

/// Asks for the shown place's data again. A view that fails to draw is a problem like any other.
async function refresh(aloud = false, moved = false) {
  clearTimeout(timer);
  const page = pageOf(place);
  if (!page) return draw();
  running?.controller.abort();
  const mine = { controller: new AbortController(), moved };
  running = mine;
  busy = true;
  if (moved) draw();
  try {
    const fresh = await page.load(place, mine.controller.signal);
    if (running !== mine) return;
    data = fresh;
    problem = null;
    if (aloud) said = t("said.updated");
  } catch (error) {
    if (running !== mine || error.name === "AbortError") return;
    problem = error instanceof Problem ? error : new Problem("defect", t("problem.defect", { what: error.message }));
    if (!(error instanceof Problem)) console.error(error);
    if (moved) data = null;
  }
  busy = false;
  running = null;
  try {
    draw();
  } catch (error) {
    console.error(error);
    data = null;
    problem = new Problem("defect", t("problem.defect", { what: error.message }));
    draw();
  }
  if (!paused && !document.hidden) timer = setTimeout(refresh, EVERY);
}

/// Shows the place of the address bar.
function show({ focus }) {
  const next = parse(new URL(location.href)) ?? { page: "?", id: "", query: new URLSearchParams(), key: "?" };
  const same = place && next.key === place.key;
  place = next;
  menu = false;
  if (!same) {
    data = null;
    problem = null;
  }
  said = "";
  refresh(same, true);
  if (focus && !same) {
    window.scrollTo(0, 0);
    app.querySelector("h1")?.focus({ preventScroll: true });
  }
}

function move(url) {
  if (url.href !== location.href) history.pushState(null, "", url);
  show({ focus: true });
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  if (link.target || link.hasAttribute("download")) return;
  const url = new URL(link.href);
  const where = parse(url);
  if (!where || !(where.page in PAGES)) return;
  event.preventDefault();
  move(url);
});
window.addEventListener("place", (event) => move(new URL(event.detail, document.baseURI)));
window.addEventListener("refresh", () => refresh(true));
window.addEventListener("popstate", () => show({ focus: true }));
document.addEventListener("visibilitychange", () => {
  if (document.hidden) clearTimeout(timer);
  else if (!paused && place) refresh();
});

try {
  await load();
  show({ focus: false });
} catch (error) {
  app.replaceChildren(h("p", { class: "noscript" }, `tokentail: ${error.message}`));
}
