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

export const levelKey = (level) => (level.variant ? `variant:${level.number}` : level.layers.join(","));

const ALL = Object.keys(LAYERS);

/** The name of a variant: what differs from the picture as it was sent. */
export function variantName(variant) {
  const off = variant.only && ALL.filter((name) => !variant.only.includes(name) && variant.here.includes(name));
  const parts = [
    variant.prompt !== null && "other words",
    off?.length && `without ${off.map((name) => LAYERS[name].short).join(", ")}`,
    variant.seed !== null && `seed ${variant.seed}`,
    variant.steps !== null && `${variant.steps} steps`,
  ].filter(Boolean);
  return parts.join(", ") || "again";
}

/** The variants of a picture in the form of its levels. */
export function variantsOf(picture) {
  const here = picture.layers.map((layer) => layer.name);
  return picture.variants.map((one) => ({ ...one, here, variant: true, adds: [], only: one.layers, layers: one.frame?.layers ?? one.layers ?? [] }));
}

/** A level or variant by its key. */
export const findLevel = (picture, key) => [...picture.levels, ...variantsOf(picture)].find((one) => levelKey(one) === key);

function variantNote({ frame, reason }) {
  if (reason) return "failed";
  if (!frame) return "waiting to be drawn";
  return frame.final ? "drawn again" : `step ${frame.step} of ${frame.steps}`;
}

/**
 * Draw the levels of a picture, and its variants.
 * chosen: key of the selected one, or null; ready(frame): whether to load the frame as a thumbnail.
 * onDraw(layers): draws a level that was skipped; null where that is not allowed.
 */
export function drawLevels(row, picture, chosen, ready, onChoose, onDraw) {
  const drawable = onDraw && picture.status !== "receiving";
  sync(
    row,
    [...picture.levels, ...variantsOf(picture)],
    (level) => `${picture.id}/${levelKey(level)}`,
    (level) => {
      const button = make("button", "level");
      button.type = "button";
      button.dataset.layer = level.adds.at(-1) ?? level.layers.at(-1);
      if (level.variant) button.dataset.variant = level.number;
      make("span", "thumb", button).append(make("img", ""));
      const words = make("span", "level-words", button);
      make("b", "", words);
      make("small", "", words);
      button.querySelector("img").alt = "";
      return button;
    },
    (button, level) => {
      const { frame, variant } = level;
      const draw = drawable && !frame && !variant;
      const asked = draw && button.dataset.asked === "true";
      button.classList.toggle("level-draw", draw && !asked);
      const missing = asked ? "being drawn" : draw ? "skipped: draw" : picture.status === "receiving" ? "not drawn yet" : "skipped";
      const name = variant ? variantName(level) : levelName(level);
      button.querySelector("b").textContent = name;
      button.querySelector("small").textContent = variant ? variantNote(level) : frame ? sizeText(level.size) : missing;
      button.disabled = !frame && (!draw || asked);
      button.ariaPressed = String(levelKey(level) === chosen);
      button.ariaLabel = variant ? `Drawn again: ${name}` : draw && !asked ? `Draw ${name} now, it was skipped` : `The picture drawn from ${layersText(level.layers)}`;
      button.title = variant ? [level.prompt, level.reason, ...level.notes].filter(Boolean).join(". ") : "";
      button.onclick = () => {
        if (!draw) return onChoose(levelKey(level));
        button.dataset.asked = "true";
        onDraw(level.layers);
      };
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
