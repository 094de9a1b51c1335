// The script of an exported arrival: one file with all frames in it.

import { PlayHead } from "./player.js";
import { count, layersText, secondsText, sizeText } from "./words.js";

const HUES = { semantic: "#ffb84d", structure: "#62cdf6", texture: "#ff7d8f", detail: "#86dfa0" };
const picture = JSON.parse(document.getElementById("data").textContent);
const element = (id) => document.getElementById(id);
const latest = (items, at) => items.filter((item) => item.at <= at).at(-1);

const head = new PlayHead(() => draw());
head.duration = () => picture.duration;

element("title").textContent = picture.prompt ?? "A picture";
element("canvas").style.aspectRatio = `${picture.width} / ${picture.height}`;
element("original").hidden = true;
if (picture.original) {
  element("original").src = picture.original;
  element("hold").hidden = false;
}
for (const one of picture.arrivals) {
  const mark = document.createElement("i");
  mark.style.left = `${(100 * one.at) / (picture.duration || 1)}%`;
  mark.style.background = HUES[one.layer];
  element("marks").append(mark);
}

function draw() {
  const at = head.at ?? picture.duration;
  const frame = latest(picture.frames, at);
  const received = latest(picture.arrivals, at)?.received ?? 0;
  if (frame && element("frame").src !== frame.url) element("frame").src = frame.url;
  element("frame").hidden = !frame;
  element("frame").alt = `${picture.prompt ?? "A picture"}, after ${secondsText(at)}`;
  element("words").textContent = frame ? "" : picture.prompt ?? "";
  element("scrub").value = Math.round((1000 * at) / (picture.duration || 1));
  element("moment").textContent = `${secondsText(at)}, ${sizeText(received)}`;
  element("scrub").ariaValueText = element("moment").textContent;
  element("play").textContent = head.playing ? "Pause" : "Play";
  const link = picture.rate ? ` over a link of ${count(picture.rate)} bit/s` : "";
  const jpeg = picture.jpeg ? ` A JPEG of quality 75 has ${sizeText(picture.jpeg.size)}, which take ${secondsText(picture.jpeg.seconds)}.` : "";
  const from = frame ? `Drawn from ${layersText(frame.layers)} by ${picture.model}. ` : "";
  element("note").textContent = `${from}${sizeText(picture.received)} in all${link}.${jpeg}`;
}

element("play").addEventListener("click", () => head.toggle());
element("scrub").addEventListener("input", () => head.seek((element("scrub").valueAsNumber / 1000) * picture.duration));
const original = (shown) => (element("original").hidden = !shown);
for (const name of ["pointerdown", "keydown"]) element("hold").addEventListener(name, () => original(true));
for (const name of ["pointerup", "pointerleave", "keyup", "blur"]) element("hold").addEventListener(name, () => original(false));
draw();
head.play();
