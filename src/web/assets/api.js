// Questions become answers of the API, or a problem that says what to do.

import { useZone } from "./format.js";
import { t } from "./words.js";

/// How long one answer may take; the server cuts a slow one earlier.
const PATIENCE = 15_000;

/// What the API or the network has against it.
export class Problem extends Error {
  constructor(code, message, status = 0) {
    super(message);
    this.code = code;
    this.status = status;
  }

  /// What the reader can do.
  get remedy() {
    if (this.code === "unreachable") return t("remedy.unreachable");
    if (this.code === "too_slow") return t("remedy.too_slow");
    if (this.status === 400) return t("remedy.bad_parameter");
    if (this.status === 401 || this.status === 403) return t("remedy.forbidden");
    if (this.status === 404) return t("remedy.not_found");
    if (this.status === 503) return t("remedy.unavailable");
    return t("remedy.other");
  }
}

/// A path below `api/v1/` with its parameters; lists repeat, what is empty is left out.
export function address(path, parameters = {}) {
  const query = new URLSearchParams();
  const pairs = parameters instanceof URLSearchParams ? [...parameters] : Object.entries(parameters);
  for (const [name, value] of pairs) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== undefined && one !== "") query.append(name, one);
    }
  }
  const text = query.toString();
  return `api/v1/${path}${text ? `?${text}` : ""}`;
}

async function ask(url, options, signal) {
  const limit = AbortSignal.timeout(PATIENCE);
  let response;
  try {
    response = await fetch(url, { ...options, signal: signal ? AbortSignal.any([signal, limit]) : limit, headers: { accept: "application/json", ...options.headers } });
  } catch (error) {
    if (signal?.aborted) throw error;
    if (limit.aborted) throw new Problem("too_slow", t("problem.slow"));
    throw new Problem("unreachable", t("problem.unreachable"));
  }
  let body = null;
  try {
    body = await response.json();
  } catch {
    if (signal?.aborted) throw new DOMException("aborted", "AbortError");
    if (response.ok) throw new Problem("unreadable", t("problem.unreadable"), response.status);
  }
  if (!response.ok) {
    const { code = "http", message = `HTTP ${response.status}` } = body?.error ?? {};
    throw new Problem(code, message, response.status);
  }
  useZone(body.timezone);
  return body;
}

/// Reads.
export function get(path, parameters, signal) {
  return ask(address(path, parameters), {}, signal);
}

/// Writes.
export function post(path, value) {
  return ask(`api/v1/${path}`, { method: "POST", body: JSON.stringify(value), headers: { "content-type": "application/json" } });
}

/// Several answers at once. Each is an answer or a [`Problem`], so that one part's trouble leaves the others standing;
/// throws where none came, or not the one that the page cannot do without.
export async function gather(questions, needed) {
  const names = Object.keys(questions);
  const results = await Promise.allSettled(Object.values(questions));
  const failed = results.filter((result) => result.status === "rejected");
  if (failed.length === results.length || failed.some((result) => !(result.reason instanceof Problem))) throw failed[0].reason;
  const without = results[names.indexOf(needed)];
  if (without?.status === "rejected") throw without.reason;
  return Object.fromEntries(names.map((name, index) => [name, results[index].value ?? results[index].reason]));
}
