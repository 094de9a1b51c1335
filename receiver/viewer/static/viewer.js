// The page: selects the picture, level and moment to show, and follows the live channel.

import { Compare } from "./compare.js";
import { LiveConnection } from "./connection.js";
import { handleKeys } from "./keys.js";
import { address, LayerCards } from "./layers.js";
import { PlayHead } from "./player.js";
import { Presentation } from "./present.js";
import { Race } from "./race.js";
import { Scrubber } from "./scrubber.js";
import { Archive, Share } from "./share.js";
import { Stage } from "./stage.js";
import { Steer } from "./steer.js";
import { drawHistory, drawLevels, findLevel, levelKey, levelName, variantName, variantsOf } from "./strips.js";
import { pictureAt, sourcesAt, Timelines } from "./timeline.js";
import { LAYERS, layersText, promptText, secondsText, sizeText } from "./words.js";
import { Zoom } from "./zoom.js";

const TICK = 100;
const REMEMBERED_LOADS = 256;
// A picture that arrives is expected to take this much longer than its bytes need at the link's rate.
const MARGIN = 1.2;
const byId = (id) => document.getElementById(id);

const pictures = new Map();
// Pictures of the archive that were looked at.
const visited = new Map();
const loaded = new Set();
// The recorded arrival that began to play by itself.
let autoplayed = null;
let limit = 1;
// null: the newest; otherwise the user's selection.
let chosenPicture = null;
let chosenLevel = null;
// Seconds to add to this page's clock to get the receiver's.
let clockLead = null;
// What the receiver has said about itself.
let shownAbout = null;
// The timer of everything that moves with time; 0 while nothing does.
let ticking = 0;

const stage = new Stage(byId("layer-a"), (url) => {
  if (loaded.size >= REMEMBERED_LOADS) loaded.clear();
  loaded.add(url);
  render();
});
const head = new PlayHead(() => render());
const timelines = new Timelines(() => render());
const scrubber = new Scrubber(head, () => {
  const picture = shown();
  if (picture) timelines.of(picture);
});
const compare = new Compare(new Stage(byId("layer-b"), () => {}), () => render());
const zoom = new Zoom(byId("canvas"), () => showZoom());
const presentation = new Presentation({
  pictures: () => list(),
  shown: () => shown(),
  level: () => chosenLevel,
  choose(id, level) {
    chosenPicture = id === list().at(-1)?.id && !presentation.held ? null : id;
    const drawn = shown()?.levels.filter((one) => one.frame) ?? [];
    chosenLevel = level === null || level === (drawn.length ? levelKey(drawn.at(-1)) : null) ? null : level;
    head.onEnd = null;
    head.seek(null);
  },
  hold(id) {
    chosenPicture = id;
    render();
  },
});
const cards = new LayerCards(byId("layers"));
const race = new Race();

const share = new Share(() => shown());
const archive = new Archive((picture) => visit(picture));
const steer = new Steer(
  () => shown(),
  (picture, number) => {
    // Stay with this picture while others arrive.
    chosenPicture = picture.id;
    if (number) chosenLevel = `variant:${number}`;
    head.seek(null);
  },
);

const list = () => [...pictures.values()];
const shown = () => pictures.get(chosenPicture) ?? visited.get(chosenPicture) ?? list().at(-1);
const pageClock = () => performance.now() / 1000;

function applyMessage(message) {
  limit = message.limit;
  byId("archive-open").hidden = !message.archive;
  showNote(message.note);
  steer.allow(message.controls);
  // The message with the least delay gives the best estimate of the clock offset.
  clockLead = Math.max(clockLead ?? -Infinity, message.now - pageClock());
  showAddress(message.address);
  for (const picture of message.pictures) {
    announce(pictures.get(picture.id), picture);
    pictures.set(picture.id, picture);
  }
  for (const id of list().slice(0, Math.max(0, pictures.size - limit)).map((picture) => picture.id)) pictures.delete(id);
  if (chosenPicture && !pictures.has(chosenPicture) && !visited.has(chosenPicture)) goLive();
  // A heartbeat changes nothing that is drawn.
  const about = JSON.stringify([message.address, message.note, message.controls, message.speed]);
  if (!message.pictures.length && about === shownAbout) return;
  shownAbout = about;
  autoplay(message.speed);
  render();
}

function showNote(note) {
  byId("note").hidden = !note;
  if (byId("note").textContent !== (note ?? "")) byId("note").textContent = note ?? "";
}

/** Play the newest recorded arrival if the server asks for that and the user has chosen nothing. */
function autoplay(speed) {
  const picture = shown();
  if (!picture?.autoplay) {
    // A picture that arrives takes the place of a recording.
    if (autoplayed && !chosenPicture) head.seek(null);
    autoplayed = null;
    head.onEnd = null;
    return;
  }
  if (autoplayed || chosenPicture) return;
  const all = list().filter((one) => one.autoplay);
  if (all.length > 1) chosenPicture = all[0].id;
  byId("speed").value = [...byId("speed").options].some((one) => Number(one.value) === speed) ? speed : "";
  head.speed = speed;
  playRecorded(all.length > 1 ? all[0] : picture);
}

function playRecorded(picture) {
  autoplayed = picture.id;
  tick();
  head.onEnd = () => {
    const all = list().filter((one) => one.autoplay);
    const next = all[(all.findIndex((one) => one.id === autoplayed) + 1) % all.length];
    if (!next || (shown()?.id !== autoplayed)) return;
    if (all.length > 1) chosenPicture = next.id;
    playRecorded(next);
  };
  timelines.of(picture);
  head.play();
}

function visit(picture) {
  visited.set(picture.id, picture);
  head.onEnd = null;
  choosePicture(picture.id);
}

/** Show the picture that the page's address names, once. */
async function followLink() {
  const id = new URLSearchParams(location.search).get("picture");
  if (!id) return;
  const response = await fetch(`api/pictures/${encodeURIComponent(id)}`).catch(() => null);
  if (response?.ok) visit(await response.json());
  else byId("announcer").textContent = "The picture of this link is not here any more.";
}
followLink();

new LiveConnection({
  state(message) {
    pictures.clear();
    shownAbout = null;
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
  byId("live").hidden = autoplayed === picture?.id || (!chosenPicture && !chosenLevel && head.at === null);
  share.update(picture);
  if (!picture) {
    stage.clear();
    return;
  }
  const { style } = document.documentElement;
  style.setProperty("--aspect", picture.width / picture.height);
  const wanted = picture.status !== "receiving" || head.at !== null || compare.on;
  const timeline = wanted ? timelines.of(picture) : timelines.peek(picture);
  const seen = head.at !== null && timeline ? pictureAt(picture, timeline, head.at) : picture;
  const level = chosenLevel && findLevel(picture, chosenLevel);
  renderStage(seen, level?.frame ?? seen.frame, timeline);
  cards.update(seen);
  // Load a frame that will be replaced soon as a thumbnail only if the stage has loaded it already.
  const ready = (frame, of = picture) =>
    frame.final || of.status !== "receiving" || frame.url !== of.frame?.url || loaded.has(address(frame.url));
  const draw = steer.canRedraw ? (layers) => steer.draw(layers) : null;
  drawLevels(byId("levels"), picture, level ? chosenLevel : null, ready, chooseLevel, draw);
  steer.update();
  drawHistory(byId("history"), list(), picture.id, ready, choosePicture);
  tick();
  keepTicking();
}

function renderStage(picture, frame, timeline) {
  const denoising = byId("denoising");
  denoising.hidden = !frame || frame.final || (picture.status !== "receiving" && !chosenLevel?.startsWith("variant:"));
  denoising.firstElementChild.style.transform = `scaleX(${frame?.steps ? frame.step / frame.steps : 0})`;
  const from = frame ? layersText(frame.layers) : "";
  const here = frame && { url: address(frame.url), alt: `${promptText(picture) ?? "A picture"} (drawn from ${from})` };
  const drawn = [...picture.levels, ...variantsOf(picture)].filter((one) => one.frame);
  const levels = drawn.map((one) => ({ key: levelKey(one), label: one.variant ? variantName(one) : levelName(one), frame: one.frame }));
  const sources = sourcesAt(picture, timeline, head.at ?? Infinity, levels);
  const main = compare.update(here, sources, picture.id);
  if (main) stage.show({ picture: picture.id, ...main, instant: head.at !== null || compare.on });
  else stage.clear();
  const words = byId("words");
  words.textContent = promptText(picture) ?? "The first packet is on its way";
  words.classList.toggle("faded", !!main);
  const waiting = frame ? `Drawn from ${from}` : "The picture is about to be drawn";
  byId("drawn-from").textContent = picture.status === "failed" ? failure(picture) : waiting;
  // What a format had to work with takes the place of what the picture is drawn from.
  for (const id of ["step", "drawn-from"]) byId(id).hidden = byId("against").textContent !== "";
  byId("step").textContent = !frame ? "" : frame.final ? (frame.steps > 1 ? `finished, ${frame.steps} steps` : "finished") : `step ${frame.step} of ${frame.steps}`;
}

/** The end of the time axis: when the picture ended, or when it will about have arrived. */
function endOf(picture, elapsed) {
  if (picture.status !== "receiving") return timelines.peek(picture)?.duration ?? picture.ended_at ?? elapsed;
  return Math.max(elapsed, picture.rate ? (MARGIN * picture.announced * 8) / picture.rate : elapsed * MARGIN);
}

function tick() {
  const picture = shown();
  if (!picture || clockLead === null) return;
  const running = picture.status === "receiving" || (picture.status === "complete" && !picture.recorded);
  const elapsed = running ? Math.max(0, pageClock() + clockLead - picture.opened_at) : picture.ended_at ?? 0;
  const duration = endOf(picture, elapsed);
  const timeline = timelines.peek(picture);
  // Moments lie before the newest state, whose end is open while the picture arrives.
  head.duration = () => (picture.status === "receiving" ? elapsed : duration);
  const at = head.at;
  race.tick(at !== null && timeline ? pictureAt(picture, timeline, at) : picture, at ?? elapsed);
  const total = picture.status === "receiving" ? Math.max(picture.announced, picture.received) : picture.received;
  const now = at ?? (picture.status === "receiving" ? elapsed : duration);
  scrubber.update({ timeline, arrivals: picture.arrivals, duration, now, total });
}
/** Whether anything on the page changes with time alone. */
function moving() {
  const picture = shown();
  if (!picture || picture.status === "receiving" || head.playing) return true;
  if (picture.recorded || picture.status === "failed" || !picture.jpeg) return false;
  return pageClock() + clockLead - picture.opened_at < picture.jpeg.seconds + 1;
}

/** Tick while anything moves: a timer that finds nothing to do would cost an idle page most of its time. */
function keepTicking() {
  if (ticking || !moving()) return;
  ticking = setInterval(() => {
    if (!document.hidden) tick();
    if (moving()) return;
    clearInterval(ticking);
    ticking = 0;
  }, TICK);
}

function showZoom() {
  const percent = Math.round((100 * zoom.scale) / zoom.natural);
  byId("zoom-actual").textContent = zoom.scale === 1 ? "100%" : `${percent}%`;
  byId("zoom-out").disabled = zoom.scale === 1;
}

const failure = (picture) => `Failed: ${picture.reason ?? "the sender disconnected"}`;

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
  head.seek(null);
}

function choosePicture(id) {
  chosenPicture = id === list().at(-1)?.id ? null : id;
  chosenLevel = null;
  zoom.reset();
  head.seek(null);
}

function chooseLevel(key) {
  chosenLevel = chosenLevel === key ? null : key;
  head.seek(null);
}

function step(by) {
  const all = list();
  const index = all.indexOf(shown()) + by;
  if (all[index]) choosePicture(all[index].id);
}

function stepLevel(by) {
  const drawn = shown()?.levels.filter((level) => level.frame) ?? [];
  const now = chosenLevel ? drawn.findIndex((level) => levelKey(level) === chosenLevel) : drawn.length - 1;
  const next = drawn[now + by];
  chosenLevel = next && next !== drawn.at(-1) ? levelKey(next) : null;
  head.seek(null);
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

function back() {
  compare.close();
  zoom.reset();
  goLive();
}

byId("live").addEventListener("click", goLive);
byId("fullscreen").addEventListener("click", toggleFullscreen);
byId("fullscreen").hidden = !document.fullscreenEnabled;
byId("theme").addEventListener("click", toggleTheme);
byId("zoom-in").addEventListener("click", () => zoom.in());
byId("zoom-out").addEventListener("click", () => zoom.out());
byId("zoom-actual").addEventListener("click", () => (zoom.scale === 1 ? zoom.actual() : zoom.reset()));
byId("keys-open").addEventListener("click", () => byId("keys").showModal());
showZoom();

handleKeys(
  [
    { keys: ["ArrowLeft", "ArrowRight"], does: "previous, next picture", run: () => {} },
    { keys: [" "], does: "play the arrival, or pause", run: () => scrubber.toggle() },
    { keys: [",", "."], does: "one frame back, forward", run: () => {} },
    { keys: ["[", "]"], does: "one level less, more", run: () => {} },
    { keys: ["c"], does: "compare two sides", run: () => compare.toggle() },
    { keys: ["x"], does: "flip to the other side at once", run: () => compare.flip() },
    { keys: ["+", "-"], does: "zoom in, out", run: () => {} },
    { keys: ["1", "0"], does: "the picture's own pixels, the whole picture", run: () => {} },
    { keys: ["s"], does: "save and share", run: () => share.open() },
    { keys: ["e"], does: "steer: draw again, change the link, send a picture", run: () => steer.toggle() },
    { keys: ["/"], does: "search the archive", run: () => byId("archive-open").hidden || archive.open() },
    { keys: ["p"], does: "presenter view, with a QR code", run: () => presentation.toggle() },
    { keys: ["PageDown", "PageUp"], does: "clicker: next level or picture, or back", run: () => {} },
    { keys: ["h", "b"], does: "hold this picture, or follow the newest", run: () => presentation.hold() },
    { keys: ["f"], does: "full screen", run: toggleFullscreen },
    { keys: ["t"], does: "dark or light", run: toggleTheme },
    { keys: ["Escape"], does: "back to the newest picture", run: back },
    { keys: ["?"], does: "this list", run: () => byId("keys").showModal() },
    { keys: ["ArrowLeft"], run: () => step(-1) },
    { keys: ["ArrowRight"], run: () => step(1) },
    { keys: [","], run: () => scrubber.step(-1) },
    { keys: ["."], run: () => scrubber.step(1) },
    { keys: ["["], run: () => stepLevel(-1) },
    { keys: ["]"], run: () => stepLevel(1) },
    { keys: ["PageDown"], run: () => presentation.click(1) },
    { keys: ["PageUp"], run: () => presentation.click(-1) },
    { keys: ["+", "="], run: () => zoom.in() },
    { keys: ["-"], run: () => zoom.out() },
    { keys: ["1"], run: () => zoom.actual() },
    { keys: ["0"], run: () => zoom.reset() },
  ],
  byId("keys"),
);
