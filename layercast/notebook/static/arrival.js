// The widget of an arrival in a notebook: the newest frame while it is drawn, then a slider through all frames.

import { PlayHead } from "../../../receiver/viewer/static/player.js";
import { layersText, secondsText, sizeText } from "../../../receiver/viewer/static/words.js";

const HUES = { semantic: "#b87400", structure: "#1783b3", texture: "#c8405c", detail: "#2a8a48" };

function part(tag, className, parent) {
  const element = document.createElement(tag);
  element.className = className;
  parent.append(element);
  return element;
}

const latest = (items, at) => items.filter((item) => item.at <= at).at(-1);

export function render({ model, el }) {
  const root = part("div", "layercast-arrival", el);
  const canvas = part("div", "canvas", root);
  const frame = part("img", "", canvas);
  const original = part("img", "", canvas);
  const words = part("p", "words", canvas);
  const time = part("div", "time", root);
  const play = part("button", "", time);
  const box = part("div", "scrub-box", time);
  const marks = part("div", "marks", box);
  const scrub = part("input", "", box);
  const moment = part("output", "", time);
  const note = part("p", "note", root);
  const hold = part("button", "plain", root);
  play.type = hold.type = "button";
  hold.textContent = "Hold to see the original";
  Object.assign(scrub, { type: "range", min: 0, max: 1000, ariaLabel: "Moment of the arrival" });
  original.alt = "The original";
  original.hidden = true;
  const head = new PlayHead(() => draw());
  head.duration = () => model.get("arrival").duration ?? 0;

  function draw() {
    const arrival = model.get("arrival");
    root.hidden = !arrival.frames;
    if (!arrival.frames) return;
    const finished = model.get("finished");
    const at = head.at ?? arrival.duration;
    const shown = latest(arrival.frames, at);
    const received = latest(arrival.arrivals, at)?.received ?? 0;
    canvas.style.aspectRatio = `${arrival.width} / ${arrival.height}`;
    if (shown && frame.src !== shown.url) frame.src = shown.url;
    frame.hidden = !shown;
    frame.alt = `${arrival.prompt ?? "A picture"}, after ${secondsText(at)}`;
    words.textContent = shown ? "" : arrival.prompt ?? "";
    time.hidden = !finished;
    scrub.value = Math.round((1000 * at) / (arrival.duration || 1));
    moment.textContent = `${secondsText(at)}, ${sizeText(received)}`;
    scrub.ariaValueText = moment.textContent;
    play.textContent = head.playing ? "Pause" : "Play";
    note.textContent = [shown && `Drawn from ${layersText(shown.layers)}.`, finished ? arrival.prompt : "Drawing"].filter(Boolean).join(" ");
    hold.hidden = !arrival.original;
    if (arrival.original && original.src !== arrival.original) original.src = arrival.original;
    if (marks.childElementCount !== arrival.arrivals.length) marks.replaceChildren(...arrival.arrivals.map(() => document.createElement("i")));
    arrival.arrivals.forEach((one, index) => {
      marks.children[index].style.left = `${(100 * one.at) / (arrival.duration || 1)}%`;
      marks.children[index].style.background = HUES[one.layer];
    });
  }

  play.addEventListener("click", () => head.toggle());
  scrub.addEventListener("input", () => head.seek((scrub.valueAsNumber / 1000) * head.duration()));
  for (const name of ["pointerdown", "keydown"]) hold.addEventListener(name, () => (original.hidden = false));
  for (const name of ["pointerup", "pointerleave", "keyup", "blur"]) hold.addEventListener(name, () => (original.hidden = true));
  model.on("change:arrival", draw);
  model.on("change:finished", draw);
  draw();
  return () => head.seek(null);
}
