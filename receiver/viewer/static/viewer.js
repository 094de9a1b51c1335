// The page: selects the picture and level to show, and follows the live channel.

import { LiveConnection } from "./connection.js";
import { address, LayerCards } from "./layers.js";
import { Race } from "./race.js";
import { Stage } from "./stage.js";
import { drawHistory, drawLevels, levelKey } from "./strips.js";
import { LAYERS, layersText, promptText, secondsText, sizeText } from "./words.js";

const TICK = 100;
const REMEMBERED_LOADS = 256;
const byId = (id) => document.getElementById(id);

const pictures = new Map();
const loaded = new Set();
let limit = 1;
// null: the newest; otherwise the user's selection.
let chosenPicture = null;
let chosenLevel = null;
// Seconds to add to this page's clock to get the receiver's.
let clockLead = null;

const stage = new Stage(byId("canvas"), (url) => {
  if (loaded.size >= REMEMBERED_LOADS) loaded.clear();
  loaded.add(url);
  render();
});
const cards = new LayerCards(byId("layers"));
const race = new Race();

const list = () => [...pictures.values()];
const shown = () => pictures.get(chosenPicture) ?? list().at(-1);
const pageClock = () => performance.now() / 1000;

function applyMessage(message) {
  limit = message.limit;
  // The message with the least delay gives the best estimate of the clock offset.
  clockLead = Math.max(clockLead ?? -Infinity, message.now - pageClock());
  showAddress(message.address);
  for (const picture of message.pictures) {
    announce(pictures.get(picture.id), picture);
    pictures.set(picture.id, picture);
  }
  for (const id of list().slice(0, Math.max(0, pictures.size - limit)).map((picture) => picture.id)) pictures.delete(id);
  if (chosenPicture && !pictures.has(chosenPicture)) goLive();
  render();
}

new LiveConnection({
  state(message) {
    pictures.clear();
    clockLead = null;
    applyMessage(message);
  },
  changes: applyMessage,
  status(status) {
    const lost = clockLead !== null;
    const words = { live: "live", connecting: lost ? "connection lost, trying again" : "connecting", paused: "paused" };
    byId("connection").dataset.state = status;
    if (byId("connection").textContent !== words[status]) byId("connection").textContent = words[status];
  },
}).open();

function showAddress(known) {
  const here = location.hostname;
  const to = (known ?? `ws://${here}:8765`).replace(/\/\/(0\.0\.0\.0|\[::\])(?=[:/]|$)/, `//${here}`);
  byId("command").textContent = `layercast send photo.jpg --to ${to}`;
}

function render() {
  const picture = shown();
  document.body.dataset.view = picture ? "picture" : "empty";
  byId("live").hidden = !chosenPicture && !chosenLevel;
  if (!picture) {
    stage.clear();
    return;
  }
  const { style } = document.documentElement;
  style.setProperty("--aspect", picture.width / picture.height);
  const level = chosenLevel && picture.levels.find((one) => levelKey(one) === chosenLevel);
  renderStage(picture, level?.frame ?? picture.frame);
  cards.update(picture);
  // Load a frame that will be replaced soon as a thumbnail only if the stage has loaded it already.
  const ready = (frame, of = picture) =>
    frame.final || of.status !== "receiving" || frame.url !== of.frame?.url || loaded.has(address(frame.url));
  drawLevels(byId("levels"), picture, level ? chosenLevel : null, ready, chooseLevel);
  drawHistory(byId("history"), list(), picture.id, ready, choosePicture);
  tick();
}

function renderStage(picture, frame) {
  const words = byId("words");
  words.textContent = promptText(picture) ?? "The first packet is on its way";
  words.classList.toggle("faded", !!frame);
  const denoising = byId("denoising");
  denoising.hidden = !frame || frame.final || picture.status !== "receiving";
  if (!frame) {
    stage.clear();
    byId("drawn-from").textContent = picture.status === "failed" ? failure(picture) : "The picture is about to be drawn";
    byId("step").textContent = "";
    return;
  }
  const from = layersText(frame.layers);
  stage.show({ picture: picture.id, url: address(frame.url), alt: `${promptText(picture) ?? "A picture"} (drawn from ${from})` });
  denoising.firstElementChild.style.transform = `scaleX(${frame.steps ? frame.step / frame.steps : 0})`;
  byId("drawn-from").textContent = picture.status === "failed" ? failure(picture) : `Drawn from ${from}`;
  byId("step").textContent = frame.final ? (frame.steps > 1 ? `finished, ${frame.steps} steps` : "finished") : `step ${frame.step} of ${frame.steps}`;
}

const failure = (picture) => `Failed: ${picture.reason ?? "the sender disconnected"}`;

function tick() {
  const picture = shown();
  if (picture && clockLead !== null) race.tick(picture, Math.max(0, pageClock() + clockLead - picture.opened_at));
}
setInterval(() => document.hidden || tick(), TICK);

function announce(before, after) {
  if (!before || before.id !== shown()?.id) return;
  const say = (text) => (byId("announcer").textContent = text);
  after.layers.forEach((layer) => {
    const old = before.layers.find((one) => one.name === layer.name);
    if (layer.arrived_sections > (old?.arrived_sections ?? 0)) {
      say(`${LAYERS[layer.name].title} arrived: ${sizeText(layer.arrived_size)}, after ${secondsText(layer.last_at)}.`);
    }
  });
  if (before.status !== after.status && after.status !== "receiving") {
    say(after.status === "complete" ? `The picture is complete, after ${secondsText(after.ended_at)}.` : failure(after));
  }
}

function goLive() {
  chosenPicture = null;
  chosenLevel = null;
}

function choosePicture(id) {
  chosenPicture = id === list().at(-1)?.id ? null : id;
  chosenLevel = null;
  render();
}

function chooseLevel(key) {
  chosenLevel = chosenLevel === key ? null : key;
  render();
}

function step(by) {
  const all = list();
  const index = all.indexOf(shown()) + by;
  if (all[index]) choosePicture(all[index].id);
}

function toggleFullscreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen?.().catch(() => {});
}

function toggleTheme() {
  const { dataset } = document.documentElement;
  const light = dataset.theme ? dataset.theme === "light" : matchMedia("(prefers-color-scheme: light)").matches;
  dataset.theme = light ? "dark" : "light";
}

byId("live").addEventListener("click", () => {
  goLive();
  render();
});
byId("fullscreen").addEventListener("click", toggleFullscreen);
byId("fullscreen").hidden = !document.fullscreenEnabled;
byId("theme").addEventListener("click", toggleTheme);

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const keys = {
    ArrowLeft: () => step(-1),
    ArrowRight: () => step(1),
    Escape: () => {
      goLive();
      render();
    },
    f: toggleFullscreen,
  };
  if (!(event.key in keys)) return;
  event.preventDefault();
  keys[event.key]();
});
