// Progress in bytes and time, compared with a JPEG of the same picture on the same link.

import { count, percentText, secondsFigure, secondsText, size, sizeText } from "./words.js";
import { make } from "./layers.js";

const byId = (id) => document.getElementById(id);

const setText = (element, text) => {
  if (element.textContent !== text) element.textContent = text;
};

export class Race {
  #lanes = byId("ours");
  #shape = "";

  /** Update everything that changes with time. picture: its state; elapsed: seconds since its first packet. */
  tick(picture, elapsed) {
    const ended = picture.ended_at;
    const [figure, unit] = size(picture.received);
    setText(byId("received"), figure);
    setText(byId("received-unit"), unit);
    setText(byId("bpp"), picture.bits_per_pixel.toFixed(4));
    setText(byId("clock"), secondsFigure(ended ?? elapsed));
    const label = { complete: "until complete", failed: "until it failed" }[picture.status];
    setText(byId("clock-label"), label ?? "since the first packet");
    this.#ours(picture);
    this.#theirs(picture, elapsed);
  }

  #ours(picture) {
    const shape = picture.layers.map((layer) => `${layer.name}:${layer.size}`).join();
    if (shape !== this.#shape) {
      this.#shape = shape;
      this.#lanes.replaceChildren();
      for (const layer of picture.layers) {
        const part = make("span", "part", this.#lanes);
        part.dataset.layer = layer.name;
        part.style.flexGrow = layer.size;
        make("i", "", part);
      }
    }
    picture.layers.forEach((layer, index) => {
      const share = layer.size ? layer.arrived_size / layer.size : 1;
      this.#lanes.children[index].firstChild.style.transform = `scaleX(${share})`;
    });
    const arrived = picture.layers.reduce((sum, layer) => sum + layer.arrived_size, 0);
    const share = picture.announced ? percentText(arrived / picture.announced) : "";
    setText(byId("ours-share"), share);
    this.#lanes.ariaLabel = `layercast: ${share} of the layers has arrived`;
  }

  #theirs(picture, elapsed) {
    const { jpeg } = picture;
    byId("jpeg-lane").hidden = !jpeg;
    byId("comparison").hidden = !jpeg;
    if (!jpeg) return;
    const shareAt = (seconds) => Math.min(1, (jpeg.first_bytes + (seconds * jpeg.rate) / 8) / jpeg.size);
    const share = shareAt(elapsed);
    byId("theirs").firstElementChild.style.transform = `scaleX(${share})`;
    setText(byId("theirs-share"), percentText(share));
    const mark = byId("theirs").lastElementChild;
    mark.hidden = picture.status !== "complete";
    mark.style.left = `${100 * shareAt(picture.ended_at ?? 0)}%`;
    byId("theirs").ariaLabel = `JPEG: ${percentText(share)} would have arrived`;
    const needs =
      `A JPEG of this picture (quality 75, ${sizeText(jpeg.size)}) would need ${secondsText(jpeg.seconds)} ` +
      `on this ${count(jpeg.rate)} bit/s link`;
    const meanwhile = share < 1 ? `; by now ${percentText(share)} of it would have arrived.` : ".";
    const ours =
      picture.status === "complete"
        ? ` This picture was complete after ${secondsText(picture.ended_at)}, with ${percentText(shareAt(picture.ended_at))} of the JPEG.`
        : "";
    setText(byId("comparison"), needs + meanwhile + ours);
  }
}
