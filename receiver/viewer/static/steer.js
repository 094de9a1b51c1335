// The drawer of controls: draw a picture again, change the link, send a picture. The server says what is allowed.

import { control } from "./control.js";
import { make } from "./layers.js";
import { LinkPanel } from "./link.js";
import { SendPanel } from "./sending.js";
import { LAYERS } from "./words.js";

const byId = (id) => document.getElementById(id);

export class Steer {
  #shown;
  #onStarted;
  #allowed = [];
  #picture = null;
  #link = new LinkPanel();
  #send = new SendPanel();
  #touched = false;

  /**
   * shown(): the picture that the page shows; onStarted(picture, number or null): called when a drawing begins that
   * was asked for here: a variant, or a level that was skipped.
   */
  constructor(shown, onStarted) {
    this.#shown = shown;
    this.#onStarted = onStarted;
    byId("steer-open").addEventListener("click", () => this.toggle());
    byId("steer-close").addEventListener("click", () => this.toggle());
    byId("steer").addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.toggle();
    });
    byId("redraw").addEventListener("input", () => (this.#touched = true));
    byId("redraw").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#redraw();
    });
    byId("dice").addEventListener("click", () => {
      byId("new-seed").value = Math.floor(Math.random() * 2 ** 32);
      this.#touched = true;
      this.#redraw();
    });
    byId("steer-login").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#logIn();
    });
  }

  get canRedraw() {
    return this.#allowed.includes("redraw");
  }

  /** Show what is allowed: some of redraw, link, send. */
  allow(names) {
    if (names.join() === this.#allowed.join()) return;
    this.#allowed = names;
    byId("steer-open").hidden = names.length === 0;
    for (const name of ["redraw", "link", "send"]) byId(`${name}-panel`).hidden = !names.includes(name);
    if (!names.length && !byId("steer").hidden) this.toggle();
    this.#link.run(names.includes("link") && !byId("steer").hidden);
    this.#send.enabled = names.includes("send");
  }

  toggle() {
    if (document.body.dataset.mode === "audience" || (byId("steer-open").hidden && byId("steer").hidden)) return;
    const open = byId("steer").hidden;
    byId("steer").hidden = !open;
    byId("steer-open").ariaExpanded = String(open);
    document.body.dataset.steering = String(open);
    this.#link.run(open && this.#allowed.includes("link"));
    (open ? byId("steer-title") : byId("steer-open")).focus();
    this.update();
  }

  /** Fill in what the shown picture has, unless the user is changing it. */
  update() {
    const picture = this.#shown();
    if (byId("steer").hidden || !picture) return;
    if (picture.id !== this.#picture) {
      this.#picture = picture.id;
      this.#touched = false;
      byId("redraw-status").textContent = "";
    }
    if (!this.#touched) {
      byId("edited").value = picture.prompt ?? "";
      byId("new-seed").value = picture.seed;
      byId("new-steps").value = "";
    }
    const here = picture.layers.filter((layer) => layer.arrived_sections > 0).map((layer) => layer.name);
    if (byId("drawn-layers").dataset.layers !== `${picture.id} ${here.join()}`) this.#drawChecks(picture.id, here);
    const mine = picture.variants.findLast((one) => one.reason || one.notes.length);
    if (mine) byId("redraw-status").textContent = mine.reason ? `That failed: ${mine.reason}.` : `${mine.notes.join(" ")}.`;
  }

  /** Draw a level that was skipped, or any set of layers. */
  async draw(layers) {
    const picture = this.#shown();
    if (await this.#ask({ layers })) this.#onStarted(picture, null);
  }

  #drawChecks(id, here) {
    const off = new Set([...byId("drawn-layers").querySelectorAll("input:not(:checked)")].map((one) => one.value));
    byId("drawn-layers").dataset.layers = `${id} ${here.join()}`;
    byId("drawn-layers").replaceChildren();
    for (const name of here) {
      const label = make("label", "check", byId("drawn-layers"));
      label.dataset.layer = name;
      const box = make("input", "", label);
      box.type = "checkbox";
      box.value = name;
      box.checked = !off.has(name);
      label.append(LAYERS[name].title);
    }
  }

  async #redraw() {
    const picture = this.#shown();
    if (!picture) return;
    const change = {};
    const boxes = [...byId("drawn-layers").querySelectorAll("input")];
    const words = byId("edited").value.trim();
    if (boxes.some((one) => !one.checked)) change.layers = boxes.filter((one) => one.checked).map((one) => one.value);
    if (words && words !== picture.prompt) change.prompt = words;
    if (byId("new-seed").value !== "" && byId("new-seed").valueAsNumber !== picture.seed) change.seed = byId("new-seed").valueAsNumber;
    if (byId("new-steps").value !== "") change.steps = byId("new-steps").valueAsNumber;
    if (Object.keys(change).length === 0) {
      byId("redraw-status").textContent = "Change the words, the layers, the seed or the steps first.";
      return;
    }
    const number = await this.#ask(change);
    if (number) this.#onStarted(picture, number);
  }

  async #ask(change) {
    const picture = this.#shown();
    byId("redraw-status").textContent = "Asking for the drawing";
    try {
      const { number } = await control(`pictures/${encodeURIComponent(picture.id)}/redraw`, { body: JSON.stringify(change) });
      byId("redraw-status").textContent = "It is being drawn; further layers are drawn the same way.";
      if (picture.status !== "receiving") byId("redraw-status").textContent = "It is being drawn.";
      return number;
    } catch (error) {
      byId("redraw-status").textContent = error.message;
      return null;
    }
  }

  async #logIn() {
    const body = new URLSearchParams({ token: byId("steer-token").value });
    const response = await fetch("login", { method: "POST", body, redirect: "manual" }).catch(() => null);
    const done = response?.type === "opaqueredirect";
    byId("steer-token").value = "";
    byId("steer-login-status").textContent = done ? "" : "This token does not open the controls.";
    byId("steer-login").hidden = done;
    if (done) byId("steer-title").focus();
  }
}
