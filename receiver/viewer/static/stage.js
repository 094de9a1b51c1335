// The large picture. A frame is decoded before it is shown and fades in over the last one, which stays opaque below
// it, so that nothing flickers.

const FADE = 500;
const HURRIED_FADE = 160;
const TURN = 260;
const calm = matchMedia("(prefers-reduced-motion: reduce)");

export class Stage {
  #box;
  #onShown;
  #wanted = null;
  #shown = null;
  #busy = false;

  /** box: the element to fill; onShown(url): called when a frame has been loaded and shown. */
  constructor(box, onShown) {
    this.#box = box;
    this.#onShown = onShown;
  }

  /** Show a frame: {picture, url, alt, instant}; the last call wins. An instant one does not fade in. */
  show(wanted) {
    this.#wanted = wanted;
    if (this.#shown?.url === wanted.url) this.#shown.image.alt = wanted.alt;
    if (!this.#busy) this.#work();
  }

  /** Show nothing. */
  clear() {
    this.#wanted = null;
    this.#shown = null;
    this.#box.querySelectorAll("img").forEach((image) => image.remove());
  }

  async #work() {
    this.#busy = true;
    while (this.#wanted && this.#wanted.url !== this.#shown?.url) {
      const wanted = this.#wanted;
      const image = new Image();
      image.src = wanted.url;
      const loaded = await image.decode().then(() => true, () => false);
      if (!loaded) {
        // The server is unreachable or has forgotten the picture; the next state names another frame.
        if (this.#wanted === wanted) this.#wanted = null;
      } else if (this.#wanted?.picture === wanted.picture) {
        await this.#fadeIn(image, wanted);
      }
    }
    this.#busy = false;
  }

  async #fadeIn(image, wanted) {
    const below = [...this.#box.querySelectorAll("img")];
    for (const old of below) {
      old.alt = "";
      old.ariaHidden = "true";
    }
    image.alt = wanted.alt;
    this.#box.append(image);
    const turned = this.#shown?.picture !== wanted.picture;
    this.#shown = { ...wanted, image };
    this.#onShown(wanted.url);
    if (!wanted.instant && !calm.matches && !document.hidden) {
      const duration = this.#wanted !== wanted ? HURRIED_FADE : turned ? TURN : FADE;
      await image.animate({ opacity: [0, 1] }, { duration, easing: "ease-in-out" }).finished.catch(() => {});
    }
    below.forEach((old) => old.remove());
  }
}
