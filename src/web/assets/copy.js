// A button that puts a text into the clipboard, also where the browser gives scripts none.

import { h } from "./dom.js";
import { t } from "./words.js";

/// How long the button says what happened, in milliseconds.
const SAID = 2000;

/// `textOf` is asked when the button is pressed.
export function copier(textOf, label = t("copy")) {
  return h("button", { type: "button", class: "copy", onclick: async (event) => {
    const button = event.currentTarget;
    const done = await copy(textOf());
    button.textContent = t(done ? "copy.done" : "copy.failed");
    setTimeout(() => {
      button.textContent = label;
    }, SAID);
  } }, label);
}

/// Whether the text is in the clipboard now.
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Over plain HTTP there is no such clipboard, and it may be forbidden: as a person would do it.
  }
  const held = h("textarea", { class: "hidden", tabindex: -1, readonly: true });
  const focused = document.activeElement;
  held.value = text;
  document.body.append(held);
  held.select();
  let done = false;
  try {
    done = document.execCommand("copy");
  } catch {
    // It is told below the text that it did not work.
  }
  held.remove();
  focused?.focus?.({ preventScroll: true });
  return done;
}
