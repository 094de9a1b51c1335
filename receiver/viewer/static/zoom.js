// Zoom and pan of everything on the canvas at once: wheel, pinch, drag, double click, keys.

const LARGEST = 16;
const STEP = 1.5;

export class Zoom {
  #box;
  #onChange;
  #pointers = new Map();
  scale = 1;
  x = 0;
  y = 0;

  /** box: the element whose --zoom, --pan-x and --pan-y move its content; onChange(): called after each change. */
  constructor(box, onChange) {
    this.#box = box;
    this.#onChange = onChange;
    box.addEventListener("wheel", (event) => this.#onWheel(event), { passive: false });
    box.addEventListener("dblclick", (event) => this.#isControl(event) || this.#toggle(event));
    box.addEventListener("pointerdown", (event) => this.#onDown(event));
    box.addEventListener("pointermove", (event) => this.#onMove(event));
    for (const name of ["pointerup", "pointercancel"]) {
      box.addEventListener(name, (event) => this.#pointers.delete(event.pointerId));
    }
    box.addEventListener("keydown", (event) => this.#onKey(event));
    addEventListener("resize", () => this.set(this.scale, this.x, this.y));
  }

  /** One pixel of the picture on one pixel of the screen. */
  get natural() {
    const image = this.#box.querySelector("img");
    if (!image?.naturalWidth) return 1;
    return this.#largestPixels() / (this.#box.clientWidth * devicePixelRatio);
  }

  in() {
    this.#zoomAt(STEP);
  }

  out() {
    this.#zoomAt(1 / STEP);
  }

  reset() {
    this.set(1, 0, 0);
  }

  /** Show the picture's own pixels. */
  actual() {
    const { clientWidth, clientHeight } = this.#box;
    const scale = Math.max(1, this.natural);
    this.set(scale, (clientWidth * (1 - scale)) / 2, (clientHeight * (1 - scale)) / 2);
  }

  set(scale, x, y) {
    this.scale = Math.min(LARGEST, Math.max(1, scale));
    const { clientWidth, clientHeight } = this.#box;
    this.x = Math.min(0, Math.max(clientWidth * (1 - this.scale), x));
    this.y = Math.min(0, Math.max(clientHeight * (1 - this.scale), y));
    const { style, dataset } = this.#box;
    style.setProperty("--zoom", this.scale);
    style.setProperty("--pan-x", `${this.x}px`);
    style.setProperty("--pan-y", `${this.y}px`);
    dataset.zoomed = String(this.scale > 1);
    dataset.pixels = String(this.scale >= 4 * this.natural);
    this.#onChange();
  }

  #largestPixels() {
    return Math.max(...[...this.#box.querySelectorAll("img")].map((image) => image.naturalWidth));
  }

  #isControl = (event) => event.target.closest("button, select, input, a") !== null;

  #zoomAt(factor, clientX, clientY) {
    const box = this.#box.getBoundingClientRect();
    const px = (clientX ?? box.x + box.width / 2) - box.x;
    const py = (clientY ?? box.y + box.height / 2) - box.y;
    const scale = Math.min(LARGEST, Math.max(1, this.scale * factor));
    const ratio = scale / this.scale;
    this.set(scale, px - (px - this.x) * ratio, py - (py - this.y) * ratio);
  }

  #toggle(event) {
    if (this.scale > 1) this.reset();
    else this.#zoomAt(Math.max(2, this.natural), event.clientX, event.clientY);
  }

  #onWheel(event) {
    // A plain wheel scrolls the page until the picture is zoomed; pinches of a touchpad arrive with ctrlKey.
    if (!event.ctrlKey && this.scale === 1) return;
    event.preventDefault();
    this.#zoomAt(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.002)), event.clientX, event.clientY);
  }

  #onDown(event) {
    if (this.#isControl(event)) return;
    this.#pointers.set(event.pointerId, event);
    if (this.scale > 1 || this.#pointers.size > 1) this.#box.setPointerCapture(event.pointerId);
  }

  #onMove(event) {
    const before = this.#pointers.get(event.pointerId);
    if (!before) return;
    const others = [...this.#pointers.values()].filter((one) => one.pointerId !== event.pointerId);
    this.#pointers.set(event.pointerId, event);
    if (others.length === 0) {
      if (this.scale > 1) this.set(this.scale, this.x + event.clientX - before.clientX, this.y + event.clientY - before.clientY);
      return;
    }
    const other = others[0];
    const distance = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY) || 1;
    const [cx, cy] = [(event.clientX + other.clientX) / 2, (event.clientY + other.clientY) / 2];
    this.#zoomAt(distance(event) / distance(before), cx, cy);
    this.set(this.scale, this.x + (event.clientX - before.clientX) / 2, this.y + (event.clientY - before.clientY) / 2);
  }

  #onKey(event) {
    if (event.target !== this.#box || this.scale === 1) return;
    const by = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    this.set(this.scale, this.x + (by[0] * this.#box.clientWidth) / 8, this.y + (by[1] * this.#box.clientHeight) / 8);
  }
}
