// Two views of one picture on the same place: a line between them, and a key that flips from one to the other.

import { make } from "./layers.js";
import { sizeText } from "./words.js";

const byId = (id) => document.getElementById(id);

/** The view that follows the slider. */
const HERE = "here";

export class Compare {
  #stage;
  #onChange;
  #left = HERE;
  #right = null;
  on = false;

  /** stage: shows the right side; onChange(): called when the user chooses. */
  constructor(stage, onChange) {
    this.#stage = stage;
    this.#onChange = onChange;
    byId("compare").addEventListener("click", () => this.toggle());
    byId("split").addEventListener("input", () => this.#setSplit(byId("split").valueAsNumber));
    for (const side of ["left", "right"]) {
      byId(side).addEventListener("change", () => {
        if (side === "left") this.#left = byId("left").value;
        else this.#right = byId("right").value;
        onChange();
      });
    }
  }

  toggle() {
    this.on = !this.on;
    this.#setSplit(50);
    this.#onChange();
  }

  /** Show only the other side, at once. */
  flip() {
    const was = this.on ? byId("split").valueAsNumber : 100;
    this.on = true;
    this.#setSplit(was >= 50 ? 0 : 100);
    this.#onChange();
  }

  close() {
    this.on = false;
    this.#onChange();
  }

  /**
   * Draw both sides.
   * here: {url, alt} on the main stage, or null; sources: from `sourcesAt`; picture: its id.
   * Returns what the main stage shows: {url, alt}, or null to leave it as it is.
   */
  update(here, sources, picture) {
    const on = this.on && sources.length > 0;
    byId("compare").ariaPressed = String(on);
    byId("compare").disabled = sources.length === 0;
    for (const id of ["split", "left", "right", "pane-b"]) byId(id).hidden = !on;
    byId("canvas").dataset.comparing = String(on);
    if (!on) {
      this.#stage.clear();
      byId("nothing").hidden = true;
      byId("against").textContent = "";
      return here;
    }
    const known = (key) => key === HERE || sources.some((one) => one.key === key);
    if (!known(this.#left)) this.#left = HERE;
    if (!this.#right || !known(this.#right) || this.#right === HERE) this.#right = preferred(sources);
    fill(byId("left"), [{ key: HERE, label: "At the slider" }, ...sources], this.#left);
    fill(byId("right"), sources, this.#right);
    const left = sources.find((one) => one.key === this.#left);
    const right = sources.find((one) => one.key === this.#right);
    byId("against").textContent = [left, right].map(noteOf).filter(Boolean).join(" ");
    byId("nothing").hidden = right.url !== null;
    byId("nothing").textContent = right.pending ? `${right.label} is being computed` : `${right.label} shows nothing yet`;
    if (right.url) this.#stage.show({ picture, url: right.url, alt: right.label, instant: true });
    else this.#stage.clear();
    if (!left) return here;
    return left.url && { url: left.url, alt: left.label };
  }

  #setSplit(percent) {
    byId("split").value = percent;
    byId("split").ariaValueText = `${Math.round(percent)} % of the left side`;
    byId("canvas").style.setProperty("--split", `${percent}%`);
  }
}

function preferred(sources) {
  return (sources.find((one) => one.key === "original") ?? sources.findLast((one) => one.url) ?? sources[0]).key;
}

function fill(select, options, chosen) {
  const key = options.map((one) => `${one.key}=${one.label}`).join();
  if (select.dataset.options !== key) {
    select.dataset.options = key;
    select.replaceChildren();
    for (const one of options) {
      const option = make("option", "", select);
      option.value = one.key;
      option.textContent = one.label;
    }
  }
  select.value = chosen;
}

/** Say in one sentence what another format had to work with. */
function noteOf(source) {
  const { stage, pending } = source ?? {};
  if (!stage || pending) return "";
  if (!stage.fitted) return `${stage.name}: the first ${sizeText(stage.budget)} of ${sizeText(stage.size)}.`;
  if (!stage.size) return `No ${stage.name} is as small as ${sizeText(stage.budget)}.`;
  return `${stage.name}: the best file of ${sizeText(stage.size)}.`;
}
