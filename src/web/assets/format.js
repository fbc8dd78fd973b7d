// Figures become text: exact money, grouped numbers, lengths and times. Money is never turned into a float for show.

import { h } from "./dom.js";
import { language, t } from "./words.js";

/// The time zone of everything shown: the one that the API names.
export let zone = "UTC";

export function useZone(name) {
  if (!name || name === zone) return;
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    zone = name;
  } catch {
    // A zone that this browser does not know: UTC stays, and is named beside the times.
  }
}

const locale = () => (language === "zh" ? "zh-CN" : "en-US");

/// A whole number with its thousands apart.
export function count(value) {
  return value === null || value === undefined ? "–" : new Intl.NumberFormat(locale()).format(value);
}

/// A number that fits a chart's axis or a card.
export function compact(value) {
  if (value === null || value === undefined) return "–";
  const options = Math.abs(value) < (language === "zh" ? 10_000 : 100_000) ? { maximumFractionDigits: value % 1 && Math.abs(value) < 10 ? 2 : 0 } : { notation: "compact", maximumSignificantDigits: 3 };
  return new Intl.NumberFormat(locale(), options).format(value);
}

/// A ratio as percent; digits where they matter, as in 99.932 %.
export function percent(ratio, digits) {
  if (ratio === null || ratio === undefined) return "–";
  const places = digits ?? (ratio > 0.99 && ratio < 1 ? 3 : ratio < 0.1 && ratio > 0 ? 2 : 1);
  // Down, not to nearest: an availability of 99.9996 % is not 100 %.
  const scale = 10 ** places;
  const cut = ratio > 0.99 ? Math.floor(ratio * 100 * scale + 1e-9) / scale : ratio * 100;
  return `${new Intl.NumberFormat(locale(), { maximumFractionDigits: places }).format(cut)} %`;
}

/// `1234567.5` → `1,234,567.5`, digit by digit.
function grouped(text) {
  const [, sign, whole, rest] = /^(-?)(\d+)(.*)$/.exec(text) ?? [null, "", text, ""];
  return `${sign === "-" ? "−" : ""}${whole.replace(/\B(?=(\d{3})+$)/g, ",")}${rest}`;
}

/// An exact decimal text for people: 2 digits after the point, 4 where it is under 1, half up.
function rounded(exact) {
  const parts = /^(-?)(\d+)(?:\.(\d+))?$/.exec(exact);
  if (!parts) return exact;
  const [, sign, whole, fraction = ""] = parts;
  if (/^0*$/.test(whole + fraction)) return "0";
  const cut = (places) => {
    const digits = BigInt(whole + fraction.padEnd(places, "0").slice(0, places)) + (Number(fraction[places] ?? 0) >= 5 ? 1n : 0n);
    const text = digits.toString().padStart(places + 1, "0");
    return `${text.slice(0, -places)}.${text.slice(-places)}`;
  };
  const small = cut(4);
  if (small === "0.0000") return sign ? "> −0.0001" : "< 0.0001";
  return grouped(sign + (small.startsWith("0.") ? small : cut(2)));
}

/// One amount: short, with the exact one as its title, or exact.
export function money(amount, { exact = false } = {}) {
  if (!amount) return h("span", { class: "none" }, "–");
  const full = `${grouped(amount.total)} ${amount.currency}`;
  return h(
    "span",
    { class: "money", title: exact ? null : full },
    exact ? grouped(amount.total) : rounded(amount.total),
    " ",
    h("small", {}, amount.currency),
  );
}

/// Amounts of several currencies, each its own; nothing is converted.
export function monies(amounts, options) {
  if (!amounts?.length) return h("span", { class: "none" }, "–");
  return h("span", { class: "monies" }, amounts.map((amount, index) => [index > 0 && " ", money(amount, options)]));
}

/// For drawing only.
export function asNumber(amount) {
  return amount ? Number(amount.total) : 0;
}

/// The usual currency of a list of lists of money: the one that most of them have.
export function usualCurrency(lists) {
  const seen = new Map();
  for (const list of lists) for (const amount of list ?? []) seen.set(amount.currency, (seen.get(amount.currency) ?? 0) + 1);
  return [...seen].sort((a, b) => b[1] - a[1])[0]?.[0] ?? null;
}

/// Every currency of a list of lists of money, the usual one first.
export function currencies(lists) {
  const usual = usualCurrency(lists);
  const all = [...new Set(lists.flatMap((list) => (list ?? []).map((amount) => amount.currency)))].sort();
  return usual ? [usual, ...all.filter((currency) => currency !== usual)] : [];
}

/// A length of time in its two largest units.
export function length(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const number = (value, digits) => new Intl.NumberFormat(locale(), { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
  if (seconds < 1) return t("unit.ms", { n: number(seconds * 1000, 0) });
  if (seconds < 10) return t("unit.s", { n: number(seconds, 2) });
  if (seconds < 60) return t("unit.s", { n: number(seconds, 1) });
  const whole = Math.round(seconds);
  const two = (a, b) => (b[1] ? `${t(a[0], { n: count(a[1]) })} ${t(b[0], { n: b[1] })}` : t(a[0], { n: count(a[1]) }));
  if (whole < 3600) return two(["unit.min", Math.floor(whole / 60)], ["unit.s", whole % 60]);
  if (whole < 172_800) return two(["unit.h", Math.floor(whole / 3600)], ["unit.min", Math.floor((whole % 3600) / 60)]);
  return two(["unit.d", Math.floor(whole / 86_400)], ["unit.h", Math.floor((whole % 86_400) / 3600)]);
}

/// Bytes in binary units.
export function bytes(value) {
  if (value === null || value === undefined) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  let size = value;
  while (size >= 1024 && at < units.length - 1) {
    size /= 1024;
    at += 1;
  }
  return `${new Intl.NumberFormat(locale(), { maximumFractionDigits: at && size < 100 ? 1 : 0 }).format(size)} ${units[at]}`;
}

/// A moment's parts in the zone shown.
export function parts(moment) {
  const format = new Intl.DateTimeFormat("en-CA", { timeZone: zone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" });
  return Object.fromEntries(format.formatToParts(new Date(moment)).map((part) => [part.type, part.value]));
}

/// A day such as `2026-11-21` as the moment at which it begins in the zone shown; a moment as it is.
export function begin(text) {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return text;
  const utc = Date.parse(`${text}T00:00:00Z`);
  const p = parts(utc);
  const there = Date.UTC(p.year, p.month - 1, p.day, p.hour, p.minute, p.second);
  return new Date(utc - (there - utc)).toISOString();
}

/// `2026-11-21 08:02:42`, or less of it.
export function stamp(moment, form = "second") {
  if (!moment) return "–";
  const p = parts(moment);
  const day = `${p.year}-${p.month}-${p.day}`;
  if (form === "day") return day;
  if (form === "month") return `${p.year}-${p.month}`;
  if (form === "clock") return `${p.hour}:${p.minute}:${p.second}`;
  return `${day} ${p.hour}:${p.minute}${form === "minute" ? "" : `:${p.second}`}`;
}

/// A moment as an element; the exact one is its attribute.
export function time(moment, form) {
  return moment ? h("time", { datetime: moment, title: `${moment} · ${zone}` }, stamp(moment, form)) : "–";
}

/// How long ago, in one unit.
export function ago(moment, now = Date.now()) {
  const seconds = Math.max(0, Math.round((now - new Date(moment)) / 1000));
  const [unit, size] = [["unit.d", 172_800, 86_400], ["unit.h", 7200, 3600], ["unit.min", 120, 60]].find(([, from]) => seconds >= from)?.filter((_, index) => index !== 1) ?? ["unit.s", 1];
  return t("ago", { length: t(unit, { n: count(Math.floor(seconds / size)) }) });
}

/// Text from outside: kept apart from the direction of what is around it, wrapping where it must.
export function foreign(text, props) {
  return text === null || text === undefined || text === "" ? h("span", { class: "none" }, "–") : h("bdi", { class: "foreign", title: text.length > 24 ? text : null, ...props }, text);
}

/// How much more or less than before.
export function change(now, before) {
  if (!before || now === null || now === undefined) return null;
  const ratio = now / before - 1;
  if (Math.abs(ratio) < 0.0005) return "±0 %";
  return `${ratio > 0 ? "+" : "−"}${new Intl.NumberFormat(locale(), { maximumFractionDigits: Math.abs(ratio) < 0.1 ? 1 : 0 }).format(Math.abs(ratio) * 100)} %`;
}
