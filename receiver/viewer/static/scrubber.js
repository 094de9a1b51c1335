// The slider through the time or the bytes of a picture, with a mark where each section arrived.

import { make } from "./layers.js";
import { bytesAt, lastAt, momentOf } from "./timeline.js";
import { LAYERS, secondsText, sizeText } from "./words.js";

const STEPS = 1000;
const byId = (id) => document.getElementById(id);

export class Scrubber {
  #head;
  #byBytes = false;
  #view = null;
  #marks = "";
  #onGrab;

  /** head: the play head; onGrab(): called before the user moves it, to load the timeline. */
  constructor(head, onGrab) {
    this.#head = head;
    this.#onGrab = onGrab;
    const slider = byId("scrub");
    slider.max = STEPS;
    for (const name of ["pointerdown", "focus"]) slider.addEventListener(name, () => onGrab());
    slider.addEventListener("input", () => this.#seek(slider.valueAsNumber));
    byId("play").addEventListener("click", () => this.toggle());
    byId("speed").addEventListener("change", () => head.setSpeed(Number(byId("speed").value)));
    byId("axis").addEventListener("change", () => {
      this.#byBytes = byId("axis").value === "bytes";
      this.#marks = "";
      if (this.#view) this.update(this.#view);
    });
  }

  toggle() {
    this.#onGrab();
    this.#head.toggle();
  }

  /** Go to the next or previous frame or section. */
  step(by) {
    this.#onGrab();
    const { timeline, arrivals, duration } = this.#view ?? {};
    if (!timeline) return;
    const now = this.#head.at ?? duration + 1;
    const stops = [...new Set([...timeline.frames, ...arrivals].map((one) => one.at))].sort((a, b) => a - b);
    const target = by < 0 ? stops.findLast((at) => at < now - 1e-3) : stops.find((at) => at > now + 1e-3);
    this.#head.seek(target ?? (by < 0 ? 0 : null));
  }

  /**
   * Draw the slider.
   * view: {timeline (or null), arrivals: [{layer, at, received}], duration, now, total}: the end of the axis in seconds,
   * the moment that is shown, and the bytes at the end of the axis.
   */
  update(view) {
    this.#view = view;
    const slider = byId("scrub");
    const { arrivals, duration, now, total } = view;
    const share = this.#byBytes ? bytesAt(arrivals, now) / (total || 1) : now / (duration || 1);
    slider.value = Math.round(Math.min(1, share) * STEPS);
    slider.style.setProperty("--share", Math.min(1, share));
    const bytes = sizeText(Math.round(lastAt(arrivals, now)?.received ?? 0));
    const text = `${secondsText(now)}, ${bytes}`;
    if (byId("moment").textContent !== text) byId("moment").textContent = text;
    slider.ariaValueText = text;
    const label = this.#head.playing ? "Pause" : "Play the arrival";
    if (byId("play").ariaLabel !== label) {
      byId("play").ariaLabel = label;
      byId("play").dataset.playing = String(this.#head.playing);
    }
    this.#drawMarks(arrivals, duration, total);
  }

  #drawMarks(arrivals, duration, total) {
    const shares = arrivals.map((one) => [one.layer, this.#byBytes ? one.received / (total || 1) : one.at / (duration || 1)]);
    const key = shares.map(([layer, share]) => `${layer}${share.toFixed(3)}`).join();
    if (key === this.#marks) return;
    this.#marks = key;
    byId("marks").replaceChildren();
    shares.forEach(([layer, share], index) => {
      const mark = make("i", "mark", byId("marks"));
      mark.dataset.layer = layer;
      mark.style.setProperty("--share", Math.min(1, share));
      mark.title = `${LAYERS[layer].title} arrived at ${secondsText(arrivals[index].at)}`;
    });
  }

  #seek(value) {
    const { arrivals, duration, total } = this.#view;
    const at = this.#byBytes ? momentOf(arrivals, (value / STEPS) * total) : (value / STEPS) * duration;
    this.#head.seek(value >= STEPS ? null : at);
  }
}
