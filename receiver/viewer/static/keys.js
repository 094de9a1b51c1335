// The keyboard: one table of keys, and a dialog that lists them.

import { make } from "./layers.js";

const NAMES = { " ": "space", ArrowLeft: "←", ArrowRight: "→", Escape: "Esc", PageUp: "Page up", PageDown: "Page down" };

/** Elements that use some keys themselves. */
function usesKey(target, key) {
  if (target.closest("dialog[open]")) return true;
  if (target.matches("textarea, input:not([type=range])")) return true;
  if (target.matches("select")) return key.length > 1 || key === " ";
  if (target.matches("input[type=range]")) return key.startsWith("Arrow") || key.startsWith("Page");
  return key === " " && target.matches("button, a, summary");
}

/**
 * Handle keys. table: [{keys: [...], does: "words", run()}]; entries without words are not listed.
 * dialog: where the list goes.
 */
export function handleKeys(table, dialog) {
  const actions = new Map(table.flatMap((one) => one.keys.map((key) => [key, one.run])));
  const list = dialog.querySelector("dl");
  for (const { keys, does } of table.filter((one) => one.does)) {
    const row = make("div", "key-row", list);
    const names = make("dt", "", row);
    keys.forEach((key) => (make("kbd", "", names).textContent = NAMES[key] ?? key));
    make("dd", "", row).textContent = does;
  }
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !actions.has(event.key)) return;
    if (usesKey(event.target, event.key)) return;
    event.preventDefault();
    actions.get(event.key)();
  });
}
