// The layers beside the picture: text as text, the others as images, placeholders before they arrive.

import { LAYERS, partText, promptText, secondsText, sizeText } from "./words.js";

// The layers that have a place even if they are not sent. A picture with detail has places for its own layers only.
const ALWAYS = ["semantic", "structure", "texture"];

const IMAGES = {
  structure: "The lines of the picture",
  texture: "The colours of the picture, as tiles",
  detail: "The picture as far as its detail has arrived, before the network adds to it",
};

export const make = (tag, className, parent) => {
  const element = document.createElement(tag);
  element.className = className;
  parent?.append(element);
  return element;
};

/** Resolve a URL relative to the page, which may be served below a path of a proxy. */
export const address = (path) => new URL(`.${path}`, document.baseURI).href;

export class LayerCards {
  #box;
  #cards = new Map();

  constructor(box) {
    this.#box = box;
    ALWAYS.forEach((name) => this.#card(name));
  }

  update(picture) {
    const layers = new Map(picture.layers.map((layer) => [layer.name, layer]));
    const shown = new Set(layers.has("detail") ? ["semantic", ...layers.keys()] : [...ALWAYS, ...layers.keys()]);
    for (const name of shown) this.#show(this.#card(name), picture, layers.get(name));
    for (const [name, card] of this.#cards) card.root.hidden = !shown.has(name);
    this.#box.style.setProperty("--columns", Math.max(1, shown.size - 1));
  }

  #card(name) {
    if (!this.#cards.has(name)) {
      const root = make("article", "layer", this.#box);
      root.dataset.layer = name;
      const head = make("header", "layer-head", root);
      make("h3", "layer-name", head).textContent = LAYERS[name].title;
      const note = make("p", "layer-note", head);
      this.#cards.set(name, { name, root, note, body: make("div", "layer-body", root), picture: null });
    }
    return this.#cards.get(name);
  }

  #show(card, picture, layer) {
    const state = !layer ? "absent" : layer.arrived_sections === 0 ? "waiting" : "here";
    const lost = state === "waiting" && picture.status !== "receiving";
    card.root.dataset.state = lost ? "absent" : state;
    card.note.textContent = note(layer, state, lost);
    if (card.name === "semantic") {
      if (!card.text) card.text = make("p", "prompt", card.body);
      card.text.textContent = promptText(picture) ?? "";
    } else {
      this.#draw(card, picture, layer);
    }
  }

  #draw(card, picture, layer) {
    if (!layer?.image) {
      card.image?.remove();
      card.image = null;
      return;
    }
    if (card.image && card.picture !== picture.id) {
      card.image.remove();
      card.image = null;
    }
    card.picture = picture.id;
    card.image ??= make("img", "drawing", card.body);
    card.image.alt = IMAGES[card.name];
    const url = address(layer.image);
    if (card.image.src !== url) card.image.src = url;
  }
}

function note(layer, state, lost) {
  if (state === "absent") return "not sent";
  if (lost) return "not received";
  if (state === "waiting") return `waiting for ${sizeText(layer.size)}`;
  if (layer.arrived_sections < layer.sections) return partText(layer.arrived_size, layer.size);
  const when = layer.last_at < 0.05 ? "in the first packet" : `at ${secondsText(layer.last_at)}`;
  return `${sizeText(layer.arrived_size)}, ${when}`;
}
