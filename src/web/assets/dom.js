// Descriptions become elements, and new elements become small changes of those that are shown.
//
// Whatever comes from outside becomes a text node: nothing here reads markup from a text. Views are rebuilt on every
// refresh and patched into the document, so that focus, scroll positions, open details and typed text stay.

const SVG = "http://www.w3.org/2000/svg";

/// An element. `props`: `on…` handlers, `style` (custom properties), `key` (its identity among its siblings), attributes.
export function h(tag, props, ...children) {
  return build(document.createElement(tag), props, children);
}

/// The same for SVG.
export function svg(tag, props, ...children) {
  return build(document.createElementNS(SVG, tag), props, children);
}

function build(node, props, children) {
  node.props = {};
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    node.props[name] = value === true ? "" : value;
    set(node, name, node.props[name]);
  }
  append(node, children);
  return node;
}

function append(node, children) {
  for (const child of children) {
    if (Array.isArray(child)) append(node, child);
    else if (child instanceof Node) node.append(child);
    else if (child !== null && child !== undefined && child !== false) node.append(String(child));
  }
}

function set(node, name, value) {
  if (name === "key") return;
  if (name.startsWith("on")) node[name] = value;
  // The policy forbids style attributes, and allows properties set by script.
  else if (name === "style") for (const [property, text] of Object.entries(value)) node.style.setProperty(property, text);
  else {
    node.setAttribute(name, value);
    if (name === "value" && "value" in node) node.value = value;
    if (name === "selected") node.selected = true;
    if (name === "checked") node.checked = true;
  }
}

function unset(node, name, value) {
  if (name === "key") return;
  if (name.startsWith("on")) node[name] = null;
  else if (name === "style") for (const property of Object.keys(value)) node.style.removeProperty(property);
  else {
    node.removeAttribute(name);
    if (name === "value" && "value" in node) node.value = "";
    if (name === "selected") node.selected = false;
    if (name === "checked") node.checked = false;
  }
}

/// An element whose inside is not patched: `mount(node, props)` once, which gives the function that takes new props.
export function island(kind, tag, props, inner, mount) {
  const node = h(tag, props);
  node.island = { kind, inner, mount };
  return node;
}

function wake(node) {
  if (node.island && !node.island.update) {
    const { inner, mount } = node.island;
    node.island.update = mount(node, inner) ?? (() => {});
  }
  for (const child of node.children ?? []) wake(child);
}

/// Makes the inside of `parent` what `children` are.
export function render(parent, children) {
  const focused = document.activeElement;
  const wanted = document.createDocumentFragment();
  append(wanted, [children]);
  patchChildren(parent, [...wanted.childNodes]);
  wake(parent);
  if (focused && focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
}

function identity(node) {
  return node.props?.key;
}

function fits(old, next) {
  return (
    old.nodeType === next.nodeType &&
    old.nodeName === next.nodeName &&
    identity(old) === identity(next) &&
    old.island?.kind === next.island?.kind
  );
}

function patchChildren(parent, wanted) {
  const keyed = new Map();
  for (const child of parent.childNodes) if (identity(child) !== undefined) keyed.set(identity(child), child);
  const staying = new Set(wanted.map(identity).filter((key) => key !== undefined));
  let at = parent.firstChild;
  for (const next of wanted) {
    // What has gone makes room, so that what stays is not moved.
    while (at && identity(at) !== undefined && !staying.has(identity(at))) {
      const gone = at;
      at = at.nextSibling;
      gone.remove();
    }
    const known = identity(next) === undefined ? null : keyed.get(identity(next));
    if (known && known !== at && fits(known, next)) {
      parent.insertBefore(known, at);
      patch(known, next);
    } else if (at && fits(at, next)) {
      patch(at, next);
      at = at.nextSibling;
    } else if (at && identity(at) === undefined && identity(next) === undefined) {
      const old = at;
      at = at.nextSibling;
      old.replaceWith(next);
    } else {
      parent.insertBefore(next, at);
    }
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

function patch(old, next) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== next.data) old.data = next.data;
    return;
  }
  const before = old.props ?? {};
  const after = next.props ?? {};
  // Only what the description changes: what a person has changed since (typed, opened) stays.
  for (const [name, value] of Object.entries(before)) if (!(name in after)) unset(old, name, value);
  for (const [name, value] of Object.entries(after)) {
    if (name === "style") {
      if (JSON.stringify(before.style) !== JSON.stringify(value)) {
        unset(old, "style", before.style ?? {});
        set(old, "style", value);
      }
    } else if (before[name] !== value) set(old, name, value);
  }
  old.props = after;
  if (old.island) {
    old.island.inner = next.island.inner;
    old.island.update?.(next.island.inner);
  } else patchChildren(old, [...next.childNodes]);
}
