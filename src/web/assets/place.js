// The address bar becomes a place (page, id, query) and back. Everything that a person has chosen on a page is in the
// address, so that it can be shared and the back button works.

const base = new URL(document.baseURI).pathname;

/// The place of a URL; `null` for one of another server. `page` is empty for the overview.
export function parse(url) {
  if (url.origin !== location.origin) return null;
  // Also at the root, past the proxy that adds the prefix.
  const rest = `${url.pathname}/` === base ? "" : url.pathname.slice(url.pathname.startsWith(base) ? base.length : 1);
  const slash = rest.indexOf("/");
  const page = slash < 0 ? rest : rest.slice(0, slash);
  let id = slash < 0 ? "" : rest.slice(slash + 1);
  try {
    id = decodeURIComponent(id);
  } catch {
    // A stray percent sign: the text as it stands.
  }
  return { page, id, query: url.searchParams, key: url.pathname };
}

/// Filters that are lists: a comma parts their values.
const LISTS = /^(?:gateway|route|provider|model|upstream|consumer|user|session|dimension\..+)$/;

/// A value as such a filter's one value: a comma within it gets a backslash.
export function literal(name, value) {
  return LISTS.test(name) ? String(value).replace(/[\\,]/g, "\\$&") : value;
}

/// The values of a filter's text, the other way round.
export function values(name, text) {
  if (!LISTS.test(name)) return [text];
  return (text.match(/(?:\\[\\,]|[^,])+/g) ?? []).map((value) => value.trim().replace(/\\([\\,])/g, "$1")).filter(Boolean);
}

/// The address of a page, of one thing on it, with a query. Relative to the base.
export function to(page, id, query) {
  const given = Object.entries(query ?? {}).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const pairs = id ? given : given.map(([name, value]) => [name, literal(name, value)]);
  const text = new URLSearchParams(pairs).toString();
  const path = id === undefined || id === null || id === "" ? page : `${page}/${encodeURIComponent(id)}`;
  return `${path || "."}${text ? `?${text}` : ""}`;
}

/// The address of the same place with other parameters: a text or a list sets one, `null` removes it. Goes back to the
/// first page of a list.
export function altered(place, changes) {
  const query = new URLSearchParams(place.query);
  if (!("cursor" in changes)) query.delete("cursor");
  for (const [name, value] of Object.entries(changes)) {
    query.delete(name);
    for (const one of Array.isArray(value) ? value : [value]) if (one !== null && one !== undefined && one !== "") query.append(name, literal(name, one));
  }
  const text = query.toString();
  const path = place.id ? `${place.page}/${encodeURIComponent(place.id)}` : place.page || ".";
  return `${path}${text ? `?${text}` : ""}`;
}

/// Goes to an address as a link would.
export function go(address) {
  window.dispatchEvent(new CustomEvent("place", { detail: address }));
}
