"use strict";
const DATA = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const NAMES = DATA.systems, HIDDEN = new Set();
// A colour for each format; the second of its sizes has dashed lines.
const FORMATS = [...new Set(NAMES.map((name) => name.split("@")[0]))];
const color = (name) => `var(--s${FORMATS.indexOf(name.split("@")[0]) % 11})`;
const isSecond = (name) => NAMES.findIndex((one) => one.split("@")[0] === name.split("@")[0]) < NAMES.indexOf(name);
const make = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
};
const SVG = "http://www.w3.org/2000/svg";
const draw = (tag, attributes = {}, text = "") => {
  const node = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.textContent = text;
  return node;
};
const number = (value, digits = 3) =>
  value === null || value === undefined ? "–" : Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en")
    : String(Number(value.toPrecision(digits)));
const seconds = (value) => (value === null || value === undefined ? "–" : `${number(value)} s`);

function ticks(low, high, log) {
  if (log) {
    const found = [], wide = Math.log10(high / low) > 2.5;
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
      for (const step of wide ? [1] : [1, 2, 5]) {
        const value = step * 10 ** power;
        if (value >= low * 0.999 && value <= high * 1.001) found.push(value);
      }
    return found;
  }
  const rough = (high - low) / 4 || 1, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step / 1000; value += step) found.push(value);
  return found;
}

// series: [{name, points: [[x, y, halfInterval?]]}]; options: {x, y, log, step, low, high, lanes}
function chart(place, series, options) {
  place.replaceChildren();
  const shown = series.filter((one) => one.points.length && !HIDDEN.has(one.name));
  if (!shown.length) { place.append(make("p", {class: "soft"}, "No data.")); return; }
  const width = Math.max(260, place.clientWidth), height = options.height || 260;
  const box = {left: options.left || 46, right: width - 12, top: options.lanes ? 10 : 24, bottom: height - 36};
  const xs = shown.flatMap((one) => one.points.map((point) => point[0])).filter((x) => !options.log || x > 0);
  let low = Math.min(...xs), high = Math.max(...xs);
  if (low === high) { low = options.log ? low / 2 : low - 1; high = options.log ? high * 2 : high + 1; }
  // Wide intervals, as two seeds give, are cut off: they would flatten the curves.
  const ys = shown.flatMap((one) => one.points.map((point) => point[1]));
  const ends = options.dots ? ys : shown.flatMap((one) => one.points.map((point) => point[1] + (point[2] || 0)));
  const bottom = options.low ?? Math.min(0, ...ys);
  const top = options.high ?? Math.min(Math.max(...ends), Math.max(...ys) * 1.25) * 1.05;
  const scale = options.log ? (x) => Math.log(x / low) / Math.log(high / low) : (x) => (x - low) / (high - low);
  const X = (x) => box.left + Math.min(1, Math.max(0, scale(Math.max(x, options.log ? low : -Infinity)))) * (box.right - box.left);
  const logY = options.logY, floorY = logY ? Math.min(...ys.filter((y) => y > 0)) * 0.8 : bottom;
  const Y = (y) => box.bottom - (logY ? Math.log(Math.max(y, floorY) / floorY) / Math.log(top / floorY)
    : (y - bottom) / (top - bottom || 1)) * (box.bottom - box.top);
  const svg = draw("svg", {viewBox: `0 0 ${width} ${height}`, height, role: "img", "aria-label": `${options.y} over ${options.x}`});
  for (const value of ticks(low, high, options.log)) {
    svg.append(draw("line", {class: "axis", x1: X(value), x2: X(value), y1: box.top, y2: box.bottom}));
    svg.append(draw("text", {x: X(value), y: box.bottom + 14, "text-anchor": "middle"}, number(value)));
  }
  const lanes = options.lanes;
  for (const value of lanes ? lanes.map((_, place) => place) : ticks(floorY, top, logY)) {
    svg.append(draw("line", {class: "axis", x1: box.left, x2: box.right, y1: Y(value), y2: Y(value)}));
    svg.append(draw("text", {x: box.left - 6, y: Y(value) + 4, "text-anchor": "end"}, lanes ? lanes[value] : number(value)));
  }
  svg.append(draw("text", {x: box.right, y: height - 4, "text-anchor": "end"}, options.x));
  if (!lanes) svg.append(draw("text", {x: 2, y: 12}, options.y));
  for (const one of shown) {
    const stroke = one.color || color(one.name);
    if (options.dots) {
      for (const [x, y, size, lost] of one.points) svg.append(lost
        ? draw("path", {d: `M${X(x) - 4} ${Y(y) - 4}l8 8m0 -8l-8 8`, stroke: "var(--s5)", "stroke-width": 2})
        : draw("circle", {cx: X(x), cy: Y(y), r: 2 + Math.min(6, Math.sqrt(size) / 4), fill: stroke, "fill-opacity": .7}));
      continue;
    }
    const banded = one.points.filter((point) => point[2]);
    if (banded.length > 1) svg.append(draw("path", {fill: stroke, "fill-opacity": .15, d: "M" +
      banded.map(([x, y, half]) => `${X(x)} ${Y(Math.min(top, y + half))}`).join("L") + "L" +
      banded.reverse().map(([x, y, half]) => `${X(x)} ${Y(Math.max(floorY, y - half))}`).join("L") + "Z"}));
    let path = "";
    one.points.forEach(([x, y], place) => {
      path += place && options.step ? `H${X(x)}V${Y(y)}` : `${place ? "L" : "M"}${X(x)} ${Y(y)}`;
    });
    if (options.step) path = `M${X(low)} ${Y(bottom)}H${X(one.points[0][0])}V${Y(one.points[0][1])}` + path.replace(/^M[^HL]*/, "") + `H${box.right}`;
    svg.append(draw("path", {d: path, fill: "none", stroke, "stroke-width": one.name === NAMES[0] ? 3 : 1.8,
      "stroke-dasharray": isSecond(one.name) ? "5 3" : "none"}));
    if (options.marks) for (const [x, y] of one.points) svg.append(draw("circle", {cx: X(x), cy: Y(y), r: 3.5, fill: stroke}));
  }
  place.append(svg);
  if (options.dots) return;
  const cursor = draw("line", {class: "cursor", y1: box.top, y2: box.bottom, visibility: "hidden"});
  const tip = make("div", {class: "tip", hidden: ""});
  svg.append(cursor);
  place.append(tip);
  const hide = () => { cursor.setAttribute("visibility", "hidden"); tip.hidden = true; };
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("pointermove", (event) => {
    const at = (event.offsetX * width / svg.clientWidth - box.left) / (box.right - box.left);
    if (at < 0 || at > 1) { hide(); return; }
    const x = options.log ? low * (high / low) ** at : low + at * (high - low);
    cursor.setAttribute("x1", X(x)); cursor.setAttribute("x2", X(x)); cursor.setAttribute("visibility", "visible");
    tip.replaceChildren(make("div", {}, `${options.x.replace(/,.*/, "")}: ${number(x)}`));
    for (const one of shown) {
      const before = one.points.filter((point) => point[0] <= x);
      const point = options.step ? before.at(-1) : one.points.reduce((best, next) =>
        Math.abs(X(next[0]) - X(x)) < Math.abs(X(best[0]) - X(x)) ? next : best);
      const text = point ? number(point[1]) + (point[2] ? ` ± ${number(point[2], 2)}` : "") : number(0);
      const dot = make("i"); dot.style.background = one.color || color(one.name);
      tip.append(make("div", {}, dot, `${one.name}: ${text}`));
    }
    tip.hidden = false;
    const left = event.offsetX > svg.clientWidth / 2 ? event.offsetX - tip.offsetWidth - 12 : event.offsetX + 12;
    tip.style.left = `${Math.max(0, Math.min(left, svg.clientWidth - tip.offsetWidth))}px`;
  });
}

const condition = () => DATA.conditions[$("condition").selectedIndex];
const series = (curves) => NAMES.filter((name) => curves[name]).map((name) => ({name, points: curves[name]}));

function drawPlots() {
  const now = condition(), quality = DATA.figure;
  chart($("over-time"), series(now.quality_over_time), {x: "seconds after the offer", y: quality, log: true});
  chart($("over-bytes"), series(now.quality_over_bytes), {x: "bytes on the link, per picture", y: quality, log: true});
  chart($("first"), series(now.first), {x: "seconds after the offer", y: "share with a first picture", log: true, step: true, low: 0, high: 1});
  chart($("recognisable"), series(now.recognisable), {x: "seconds after the offer", y: "share recognisable", log: true, step: true, low: 0, high: 1});
  const system = $("system").value, lanes = DATA.lanes;
  const packets = (now.packets[system] || []).map(([t, size, layer, cause, lost]) =>
    [t, cause === "acknowledgement" || cause === "control" ? 0 : layer < 0 ? 1 : Math.min(layer + 2, lanes.length - 1), size, lost]);
  const hidden = HIDDEN.has(system);
  HIDDEN.delete(system);
  chart($("timeline"), [{name: system, points: packets}],
    {x: "seconds", y: "layer", lanes, dots: true, low: -0.5, high: lanes.length - 0.5, left: 76});
  if (hidden) HIDDEN.add(system);
  if (DATA.over_rate.length) {
    const label = now.rate_group;
    const group = DATA.over_rate.find((one) => one.group === label) || DATA.over_rate[0];
    $("over-rate-group").textContent = group.group;
    chart($("over-rate"), series(group.curves), {x: "bit/s", y: "seconds", log: true, logY: true, marks: true});
  }
}

function drawTable() {
  const rows = condition().table;
  const head = make("tr", {}, ...["system", ...DATA.columns].map((name) => make("th", {scope: "col"}, name)));
  const body = rows.map(([name, ...cells]) => make("tr", {}, make("td", {}, name), ...cells.map((cell) => make("td", {}, cell))));
  $("table").replaceChildren(make("thead", {}, head), make("tbody", {}, ...body));
}

const span = () => {
  const last = Math.max(DATA.span[0] * 10, ...Object.values(condition().frames).flat(2).map((frame) => frame[0] * 1.15));
  return [DATA.span[0], last];
};
function time() {
  const [start, end] = span();
  return start * (end / start) ** (Number($("time").value) / 1000);
}

function drawTiles() {
  const now = condition(), picture = $("picture").selectedIndex, at = time();
  $("now").textContent = seconds(at);
  const store = now.pictures[picture];
  const tiles = [["original", [0, "original", null, null]]];
  for (const name of NAMES) if (now.frames[name]) {
    const frames = now.frames[name][picture].filter((frame) => frame[0] <= at);
    tiles.push([name, frames.at(-1)]);
  }
  $("tiles").replaceChildren(...tiles.map(([name, frame]) => {
    const box = make("div", {class: "picture"});
    box.style.aspectRatio = DATA.aspects[picture];
    box.style.borderTopColor = name === "original" ? "transparent" : color(name);
    box.style.borderTopStyle = isSecond(name) ? "dashed" : "solid";
    const source = frame && DATA.images[`${store}/${frame[1]}`];
    box.append(source ? make("img", {src: source, alt: `${name} at ${seconds(at)}`}) : frame ? "not kept" : "no picture yet");
    const facts = name === "original" ? "" : frame ? `since ${seconds(frame[0])}, ${number(frame[3])} B, ${DATA.figure} ${number(frame[2])}` : "";
    return make("figure", {}, box, make("figcaption", {}, make("b", {}, name), facts));
  }));
}

let playing = 0;
function play() {
  cancelAnimationFrame(playing);
  if ($("play").textContent === "Stop") { $("play").textContent = "Play"; return; }
  $("play").textContent = "Stop";
  if (Number($("time").value) >= 1000) $("time").value = 0;
  const start = performance.now() - Number($("time").value) * 10;
  const frame = (now) => {
    if ($("play").textContent !== "Stop") return;
    $("time").value = Math.min(1000, (now - start) / 10);
    drawTiles();
    if (Number($("time").value) < 1000) playing = requestAnimationFrame(frame); else $("play").textContent = "Play";
  };
  playing = requestAnimationFrame(frame);
}

function drawAll() { drawPlots(); drawTable(); drawTiles(); }

for (const one of DATA.conditions) $("condition").append(make("option", {}, one.condition));
for (const name of DATA.pictures) $("picture").append(make("option", {}, name));
for (const name of NAMES) {
  $("system").append(make("option", {}, name));
  const swatch = make("i"); swatch.style.background = isSecond(name)
    ? `repeating-linear-gradient(90deg, ${color(name)} 0 5px, transparent 5px 8px)` : color(name);
  const button = make("button", {type: "button", "aria-pressed": "true"}, swatch, name);
  button.addEventListener("click", () => {
    const hide = !HIDDEN.has(name);
    if (hide) HIDDEN.add(name); else HIDDEN.delete(name);
    button.setAttribute("aria-pressed", String(!hide));
    drawPlots();
  });
  $("legend").append(button);
}
if (!DATA.over_rate.length) $("over-rate").closest("section").remove();
$("condition").addEventListener("change", drawAll);
$("picture").addEventListener("change", drawTiles);
$("system").addEventListener("change", drawPlots);
$("time").addEventListener("input", drawTiles);
$("play").addEventListener("click", play);
let width = innerWidth;
addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; drawPlots(); } });
drawAll();
