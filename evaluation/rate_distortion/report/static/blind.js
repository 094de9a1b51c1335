"use strict";
const DATA = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
// A random order of pairs, and a random side for ours in each.
const order = DATA.pairs.map((pair) => ({pair, left: Math.random() < 0.5, key: Math.random()})).sort((a, b) => a.key - b.key);
const choices = [];

function show(original = false) {
  if (choices.length === order.length) return finish();
  const {pair: [picture, , ours, rival], left} = order[choices.length];
  $("left").src = original ? DATA.originals[picture] : left ? ours : rival;
  $("right").src = original ? DATA.originals[picture] : left ? rival : ours;
  $("pair").classList.toggle("original", original);
  $("progress").textContent = original ? "the original, twice" : `pair ${choices.length + 1} of ${order.length}`;
  $("undo").disabled = $("finish").disabled = !choices.length;
}

function choose(side) {
  if ($("task").hidden || choices.length === order.length) return;
  const {pair: [picture, budget, , , rival, ourBytes, rivalBytes], left} = order[choices.length];
  const chosen = side === "none" ? "no difference" : (side === "left") === left ? "ours" : "rival";
  choices.push({picture, budget, rival, our_bytes: ourBytes, rival_bytes: rivalBytes, ours_on: left ? "left" : "right", chosen});
  show();
}

function undo() {
  choices.pop();
  show();
}

function wilson(share, count) {
  const z = 1.96, middle = (share + z * z / (2 * count)) / (1 + z * z / count);
  const half = z / (1 + z * z / count) * Math.sqrt(share * (1 - share) / count + z * z / (4 * count * count));
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
}

function counts() {
  const budgets = [...new Set(choices.map((choice) => choice.budget))].sort((a, b) => a - b);
  return budgets.map((budget) => {
    const of = (chosen) => choices.filter((choice) => choice.budget === budget && choice.chosen === chosen).length;
    const ours = of("ours"), rival = of("rival"), none = of("no difference"), count = ours + rival + none;
    const share = (ours + none / 2) / count;
    return {budget, ours, rival, no_difference: none, share_of_ours: share, interval: wilson(share, count)};
  });
}

function finish() {
  const percent = (value) => `${Math.round(100 * value)} %`;
  const row = (tag, cells) => {
    const line = document.createElement("tr");
    for (const cell of cells) line.append(Object.assign(document.createElement(tag), {textContent: cell}));
    return line;
  };
  $("counts").replaceChildren(row("th", ["bytes", "layercast", "other", "no difference", "share of layercast", "95 %"]),
    ...counts().map((found) => row("td", [found.budget, found.ours, found.rival, found.no_difference, percent(found.share_of_ours),
      found.interval.map(percent).join(" to ")])));
  $("back").hidden = choices.length === order.length;
  $("task").hidden = true;
  $("result").hidden = false;
}

function download() {
  const result = {command: DATA.command, counts: counts(), choices};
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(result, null, 1)], {type: "application/json"}));
  link.download = "choices.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

for (const side of ["left", "none", "right"]) $(`choose-${side}`).addEventListener("click", () => choose(side));
for (const name of ["pointerdown", "pointerup", "pointerleave", "pointercancel"])
  $("show").addEventListener(name, () => show(name === "pointerdown"));
// A key on the button switches, since it is not held.
$("show").addEventListener("click", (event) => { if (event.detail === 0) show(!$("pair").classList.contains("original")); });
$("show").addEventListener("contextmenu", (event) => event.preventDefault());
$("undo").addEventListener("click", undo);
$("finish").addEventListener("click", finish);
$("download").addEventListener("click", download);
$("back").addEventListener("click", () => { $("task").hidden = false; $("result").hidden = true; show(); });
addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || $("task").hidden) return;
  const side = {ArrowLeft: "left", ArrowDown: "none", ArrowRight: "right"}[event.key];
  if (side) { event.preventDefault(); choose(side); }
  else if (event.key.toLowerCase() === "o") show(true);
  else if (event.key.toLowerCase() === "u" && choices.length) undo();
});
addEventListener("keyup", (event) => { if (event.key.toLowerCase() === "o" && !$("task").hidden) show(); });
show();
