"use strict";
const DATA = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const HIDDEN = new Set();
const color = (name) => `var(--s${DATA.contenders.indexOf(name) % 10})`;
const SVG = "http://www.w3.org/2000/svg";
const draw = (tag, attributes = {}, text = "") => {
  const node = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.textContent = text;
  return node;
};
const option = (text, value = text) => Object.assign(document.createElement("option"), {textContent: text, value});
const figure = () => DATA.figures[$("figure").selectedIndex];

function ticks(low, high) {
  const step = 10 ** Math.floor(Math.log10((high - low) / 4 || 1));
  const size = [1, 2, 5, 10].map((factor) => factor * step).find((each) => (high - low) / each <= 6) || 10 * step;
  const found = [];
  for (let at = Math.ceil(low / size) * size; at <= high + size * 1e-9; at += size) found.push(at);
  return found.map((at) => [at, String(Number(at.toPrecision(6)))]);
}

function drawChart() {
  const about = figure(), axis = $("axis").value, box = $("chart");
  const curves = DATA.curves[about.name].filter((curve) => !HIDDEN.has(curve.contender));
  box.replaceChildren();
  $("direction").textContent = about.less ? "Less is better." : "More is better.";
  const all = curves.flatMap((curve) => curve.points);
  if (!all.length) { box.textContent = "no curve is chosen"; return; }
  const width = Math.max(300, box.clientWidth), height = Math.min(430, Math.max(260, width * .55));
  const [left, right, top, bottom] = [52, 14, 10, 42];
  const xs = all.map((point) => point[axis]);
  const ys = all.flatMap((point) => [point.value - point.interval, point.value + point.interval]);
  let [x0, x1] = [Math.min(...xs), Math.max(...xs)], [y0, y1] = [Math.min(...ys), Math.max(...ys)];
  if (x0 === x1) { x0 /= 1.5; x1 *= 1.5; }
  if (y0 === y1) { y0 -= 1; y1 += 1; }
  const px = (x) => left + (width - left - right) * Math.log(x / x0) / Math.log(x1 / x0);
  const py = (y) => top + (height - top - bottom) * (y1 - y) / (y1 - y0);
  const svg = draw("svg", {viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${about.label} over ${axis}`});
  for (const [y, label] of ticks(y0, y1)) {
    svg.append(draw("line", {class: "grid", x1: left, x2: width - right, y1: py(y), y2: py(y)}),
      draw("text", {x: left - 6, y: py(y) + 4, "text-anchor": "end"}, label));
  }
  const marks = axis === "bytes" ? DATA.budgets.filter((budget) => budget >= x0 * .99 && budget <= x1 * 1.05)
    : [.002, .005, .01, .02, .05, .1, .2, .5, 1, 2].filter((each) => each >= x0 && each <= x1);
  for (const x of marks) {
    svg.append(draw("line", {class: "grid", x1: px(x), x2: px(x), y1: top, y2: height - bottom}),
      draw("text", {x: Math.min(px(x), width - right - 8), y: height - bottom + 16, "text-anchor": "middle"}, x.toLocaleString("en")));
  }
  svg.append(draw("text", {x: (left + width) / 2, y: height - 6, "text-anchor": "middle"},
    axis === "bytes" ? "bytes of a file, mean" : "bits per pixel, mean"));
  for (const {contender, points} of curves) {
    const stroke = color(contender);
    const upper = points.map((p) => `${px(p[axis])},${py(p.value + p.interval)}`);
    const lower = points.map((p) => `${px(p[axis])},${py(p.value - p.interval)}`).reverse();
    svg.append(draw("polygon", {points: [...upper, ...lower].join(" "), style: `fill:${stroke}`, opacity: .1}),
      draw("polyline", {points: points.map((p) => `${px(p[axis])},${py(p.value)}`).join(" "), fill: "none",
        style: `stroke:${stroke}`, "stroke-width": contender === DATA.contenders[0] ? 3 : 1.6}));
    for (const p of points) svg.append(draw("circle", {cx: px(p[axis]), cy: py(p.value), r: 3.2, style: `fill:${stroke}`}));
  }
  const cursor = draw("line", {class: "cursor", y1: top, y2: height - bottom, visibility: "hidden"});
  svg.append(cursor);
  const tip = Object.assign(document.createElement("div"), {className: "tip", hidden: true});
  const hover = (event) => {
    const at = (event.clientX - svg.getBoundingClientRect().left) * width / svg.getBoundingClientRect().width;
    const near = all.reduce((best, p) => Math.abs(px(p[axis]) - at) < Math.abs(px(best[axis]) - at) ? p : best);
    const x = px(near[axis]);
    const rows = curves.map((curve) => [curve.contender, curve.points.find((p) => p.budget === near.budget)]).filter((row) => row[1])
      .sort((a, b) => (about.less ? 1 : -1) * (a[1].value - b[1].value));
    tip.replaceChildren(`at most ${near.budget.toLocaleString("en")} bytes`, ...rows.map(([name, p]) => {
      const line = document.createElement("div");
      line.style.color = color(name);
      line.textContent = `${name}: ${p.value.toFixed(about.digits)} ± ${p.interval.toFixed(about.digits)} (${Math.round(p.bytes)} B)`;
      return line;
    }));
    for (const name of ["x1", "x2"]) cursor.setAttribute(name, x);
    cursor.setAttribute("visibility", "visible");
    tip.hidden = false;
    tip.style.left = `${Math.max(0, Math.min(x + 12, width - tip.offsetWidth - 4))}px`;
  };
  svg.addEventListener("pointermove", hover);
  svg.addEventListener("pointerdown", hover);
  svg.addEventListener("pointerleave", () => { tip.hidden = true; cursor.setAttribute("visibility", "hidden"); });
  box.append(svg, tip);
}

function drawTable(id, head, rows) {
  const line = (tag, cells) => {
    const row = document.createElement("tr");
    for (const cell of cells) {
      const [text, kind] = Array.isArray(cell) ? cell : [cell, ""];
      row.append(Object.assign(document.createElement(tag), {textContent: text, className: kind}));
    }
    return row;
  };
  if (rows.length) $(id).replaceChildren(line("th", head), ...rows.map((row) => line("td", row)));
  else $(id).closest("section").remove();
}

function fillSides() {
  const shown = DATA.shown[$("picture").value][$("budget").value] || {};
  const names = ["original", ...Object.keys(shown)];
  for (const [id, fallback] of [["left", names[1]], ["right", names[2] || "original"]]) {
    const before = $(id).value;
    $(id).replaceChildren(...names.map((name) => option(name)));
    $(id).value = names.includes(before) && before ? before : fallback || "original";
  }
  drawPair();
}

function drawPair() {
  const picture = $("picture").value, shown = DATA.shown[picture][$("budget").value] || {};
  const source = (name) => name === "original" ? DATA.originals[picture] : shown[name].url;
  const text = (name) => name === "original" ? "original" : `${name}, ${shown[name].bytes} bytes, ${DATA.by} ${shown[name].value}`;
  $("over").src = source($("left").value);
  $("under").src = source($("right").value);
  $("caption").textContent = `Left: ${text($("left").value)}. Right: ${text($("right").value)}.`;
  move();
}

function move() {
  const share = $("position").value / 10;
  $("over").style.clipPath = `inset(0 ${100 - share}% 0 0)`;
  $("edge").style.left = `${share}%`;
}

for (const about of DATA.figures) $("figure").append(option(about.unit ? `${about.label}, ${about.unit}` : about.label, about.name));
for (const name of DATA.contenders) {
  const swatch = document.createElement("i"), button = document.createElement("button");
  swatch.style.background = color(name);
  button.type = "button";
  button.setAttribute("aria-pressed", "true");
  button.append(swatch, name);
  button.addEventListener("click", () => {
    if (!HIDDEN.delete(name)) HIDDEN.add(name);
    button.setAttribute("aria-pressed", String(!HIDDEN.has(name)));
    drawChart();
  });
  $("legend").append(button);
}
drawTable("verdicts", DATA.verdicts.head, DATA.verdicts.rows);
drawTable("deltas", DATA.deltas.head, DATA.deltas.rows);
drawTable("means", DATA.means.head, DATA.means.rows);
if (Object.keys(DATA.shown).length) {
  $("picture").append(...Object.keys(DATA.shown).map((name) => option(name)));
  const budgets = [...new Set(Object.values(DATA.shown).flatMap((each) => Object.keys(each)))].sort((a, b) => a - b);
  $("budget").append(...budgets.map((budget) => option(`${Number(budget).toLocaleString("en")} bytes`, budget)));
  for (const id of ["picture", "budget"]) $(id).addEventListener("change", fillSides);
  for (const id of ["left", "right"]) $(id).addEventListener("change", drawPair);
  $("position").addEventListener("input", move);
  const drag = (event) => {
    if (event.type === "pointermove" && !event.buttons) return;
    const box = $("wipe").getBoundingClientRect();
    $("position").value = 1000 * (event.clientX - box.left) / box.width;
    move();
  };
  for (const name of ["pointerdown", "pointermove"]) $("wipe").addEventListener(name, drag);
  $("wipe").addEventListener("dragstart", (event) => event.preventDefault());
  fillSides();
} else $("viewer").remove();
for (const id of ["figure", "axis"]) $(id).addEventListener("change", drawChart);
let width = innerWidth;
addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; drawChart(); } });
drawChart();
