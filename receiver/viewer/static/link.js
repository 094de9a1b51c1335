// The emulated link: profile, rate, delay, loss, order of layers, and what has passed.

import { control } from "./control.js";
import { make } from "./layers.js";
import { count } from "./words.js";

const POLL = 1000;
// How long a slider stays where the user has put it, in milliseconds.
const HELD = 1500;
const byId = (id) => document.getElementById(id);

// From a slider's position to the value, back, and to words. The rate is logarithmic, from 100 bit/s to 10 Mbit/s.
const SCALES = {
  rate: [(x) => Math.round(100 * 10 ** (x / 200)), (v) => (v ? Math.log10(v / 100) * 200 : 1000), (v) => (v ? `${count(v)} bit/s` : "no limit")],
  delay: [(x) => x / 1000, (v) => v * 1000, (v) => `${v.toFixed(2)} s`],
  loss: [(x) => x / 100, (v) => v * 100, (v) => `${Math.round(v * 100)} %`],
};

export class LinkPanel {
  #timer = 0;
  #touched = 0;

  constructor() {
    for (const name of Object.keys(SCALES)) {
      const slider = byId(`link-${name}`);
      slider.addEventListener("input", () => {
        this.#touched = Date.now();
        this.#show(name, SCALES[name][0](slider.valueAsNumber));
      });
      slider.addEventListener("change", () => this.#change({ [name]: SCALES[name][0](slider.valueAsNumber) }));
    }
    byId("link-profile").addEventListener("change", () => this.#change({ profile: byId("link-profile").value }));
    byId("link-order").addEventListener("change", () => this.#change({ order: byId("link-order").value }));
    byId("link-down").addEventListener("click", () => this.#change({ down: byId("link-down").ariaPressed !== "true" }));
    byId("link-cut").addEventListener("click", () => this.#call("link/cut"));
  }

  /** Follow the link, or stop to. */
  run(on) {
    clearInterval(this.#timer);
    this.#timer = on ? setInterval(() => document.hidden || this.#call("link", { method: "GET" }), POLL) : 0;
    if (on) this.#call("link", { method: "GET" });
  }

  #change(changes) {
    this.#touched = 0;
    this.#call("link", { body: JSON.stringify(changes) });
  }

  async #call(path, options) {
    try {
      this.#render(await control(path, options));
      byId("link-status").textContent = "";
    } catch (error) {
      byId("link-status").textContent = error.message;
    }
  }

  #show(name, value) {
    byId(`link-${name}`).parentElement.querySelector("output").textContent = SCALES[name][2](value);
    byId(`link-${name}`).ariaValueText = SCALES[name][2](value);
  }

  #render(state) {
    fill(byId("link-profile"), state.links.includes(state.link) ? state.links : [state.link, ...state.links], state.link);
    byId("link-order").closest("p").hidden = !state.orders;
    if (state.orders) fill(byId("link-order"), state.orders, state.order);
    if (Date.now() - this.#touched > HELD) {
      for (const name of Object.keys(SCALES)) {
        byId(`link-${name}`).value = SCALES[name][1](state.there[name]);
        this.#show(name, state.there[name]);
      }
    }
    byId("link-down").ariaPressed = String(state.down);
    byId("link-down").textContent = state.down ? "Bring it up" : "Take it down";
    const { there, packets, lost } = state.counters;
    byId("link-counters").textContent = `${count(there)} bytes delivered, ${count(packets)} packets, ${count(lost)} lost and repeated`;
  }
}

function fill(select, names, chosen) {
  if (select.dataset.names !== names.join()) {
    select.dataset.names = names.join();
    select.replaceChildren();
    for (const name of names) make("option", "", select).textContent = name;
  }
  if (document.activeElement !== select) select.value = chosen;
}
