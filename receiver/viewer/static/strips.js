// Rows of thumbnails: the levels of the shown picture, and the earlier pictures.

import { address, make } from "./layers.js";
import { LAYERS, layersText, promptText, sizeText } from "./words.js";

/** Update a row of elements from a list; elements that stay are not recreated. */
function sync(row, items, keyOf, create, update) {
  const present = new Map([...row.children].map((element) => [element.dataset.key, element]));
  const elements = items.map((item) => {
    const key = keyOf(item);
    const element = present.get(key) ?? create(item);
    present.delete(key);
    element.dataset.key = key;
    update(element, item);
    return element;
  });
  present.forEach((element) => element.remove());
  elements.forEach((element, index) => {
    if (row.children[index] !== element) row.insertBefore(element, row.children[index] ?? null);
  });
}

function setThumb(image, url) {
  image.hidden = !url;
  if (url && image.src !== url) image.src = url;
}

/** The name of a level: what it adds to the one before. */
export function levelName(level) {
  const adds = level.adds.map((name) => LAYERS[name].short).join(" + ");
  return level.layers.length === level.adds.length ? `${adds[0].toUpperCase()}${adds.slice(1)} only` : `+ ${adds}`;
}

export const levelKey = (level) => level.layers.join(",");

/**
 * Draw the levels of a picture.
 * chosen: key of the selected level, or null; ready(frame): whether to load the frame as a thumbnail.
 */
export function drawLevels(row, picture, chosen, ready, onChoose) {
  sync(
    row,
    picture.levels,
    (level) => `${picture.id}/${levelKey(level)}`,
    (level) => {
      const button = make("button", "level");
      button.type = "button";
      button.dataset.layer = level.adds.at(-1) ?? level.layers.at(-1);
      make("span", "thumb", button).append(make("img", ""));
      const words = make("span", "level-words", button);
      make("b", "", words);
      make("small", "", words);
      button.querySelector("img").alt = "";
      button.addEventListener("click", () => onChoose(levelKey(level)));
      return button;
    },
    (button, level) => {
      const missing = picture.status === "receiving" ? "not drawn yet" : "skipped";
      button.querySelector("b").textContent = levelName(level);
      button.querySelector("small").textContent = level.frame ? sizeText(level.size) : missing;
      button.disabled = !level.frame;
      button.ariaPressed = String(levelKey(level) === chosen);
      button.ariaLabel = `The picture drawn from ${layersText(level.layers)}`;
      button.dataset.current = String(!!level.frame && level.frame.url === picture.frame?.url);
      if (!level.frame) setThumb(button.querySelector("img"), null);
      else if (ready(level.frame)) setThumb(button.querySelector("img"), `${address(level.frame.url)}?small`);
    },
  );
}

/** Draw the earlier pictures, oldest first; shown: the id of the large one. */
export function drawHistory(row, pictures, shown, ready, onChoose) {
  const count = row.children.length;
  sync(
    row,
    pictures,
    (picture) => picture.id,
    (picture) => {
      const item = make("li", "");
      const button = make("button", "past", item);
      button.type = "button";
      make("span", "thumb", button).append(make("img", ""));
      button.querySelector("img").loading = "lazy";
      button.addEventListener("click", () => onChoose(picture.id));
      return item;
    },
    (item, picture) => {
      const button = item.firstChild;
      const prompt = promptText(picture) ?? "a picture without text yet";
      button.title = prompt;
      button.ariaLabel = `Show: ${prompt}`;
      button.dataset.status = picture.status;
      if (picture.id === shown) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
      const image = button.querySelector("img");
      image.alt = "";
      if (!picture.frame) setThumb(image, null);
      else if (ready(picture.frame, picture)) setThumb(image, `${address(picture.frame.url)}?small`);
    },
  );
  if (row.children.length !== count) row.scrollLeft = row.scrollWidth;
}
