// Keys become words of the chosen language. Both dictionaries have the same keys; a test holds them against each other
// and against every key that the scripts use.

let words = {};

/// `en` or `zh`.
export let language = "en";

/// Loads the dictionary of the document's language.
export async function load() {
  language = document.documentElement.lang.startsWith("zh") ? "zh" : "en";
  const response = await fetch(`assets/${language}.json`);
  if (!response.ok) throw new Error(`assets/${language}.json: ${response.status}`);
  words = await response.json();
}

/// Chooses a language for this and later visits.
export async function choose(next) {
  document.documentElement.lang = next === "zh" ? "zh-Hans" : "en";
  try {
    localStorage.setItem("language", next);
  } catch {
    // It holds for this visit.
  }
  await load();
}

/// The words of a key: `{name}` in them is replaced, and `{name:one|more}` is the first where the value is 1, else the second.
export function t(key, values) {
  const text = words[key] ?? key;
  if (!values) return text;
  return text.replace(/\{(\w+)(?::([^|}]*)\|([^}]*))?\}/g, (all, name, one, more) =>
    one === undefined ? String(values[name] ?? all) : String(values[name]) === "1" ? one : more);
}

/// The words for a value of a closed list, or the value itself where the list has grown since.
export function named(family, value) {
  return words[`${family}.${value}`] ?? String(value ?? "");
}
