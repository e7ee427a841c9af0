// Draws a part of the time line: what stands at a time says so in its data- attributes, so that shapes move and keep their
// size, and nothing is stretched. Without this script the whole run is shown.
(() => {
"use strict";
const svg = document.getElementById("timeline");
const time = document.getElementById("timeline-time");
const controls = document.getElementById("timeline-controls");
if (!svg || !time || !controls) return;
const says = controls.querySelector("[role=status]");
const left = +time.dataset.left, right = +time.dataset.right, end = +time.dataset.end;
// Series have a value a second: a closer look would show nothing more.
const least = Math.min(end, Math.max(2, end / 200));
let from = 0, until = end;

const at = t => left + (t - from) / (until - from) * (right - left);
const shown = (node, is) => { node.style.display = is ? "" : "none"; };
const all = (query, of) => [...(of || time).querySelectorAll(query)];
const instants = all("[data-at]").map(node => ({ node, t: +node.dataset.at }));
const spans = all("[data-span]").map(node => {
  const [a, b, least] = node.dataset.span.split(" ").map(Number);
  return { node, a, b, least };
});
// Points were written in pixels of the whole run.
const second = x => (x - left) / (right - left) * end;
const lines = all("[data-points] > [points]").map(node => ({
  node,
  points: node.getAttribute("points").trim().split(" ").map(pair => {
    const [x, y] = pair.split(",");
    return [second(+x), y];
  }),
}));
const dots = all("[data-points] > circle").map(node => ({ node, t: second(+node.getAttribute("cx")) }));

// A step of 1, 2 or 5 times a power of ten, about eight of them in what is shown.
function step() {
  const rough = (until - from) / 8, power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map(n => n * power).find(n => n >= rough * 0.999);
}

function text(t, decimals) {
  const [whole, part] = Math.abs(t).toFixed(decimals).split(".");
  return whole.replace(/\B(?=(\d{3})+$)/g, ",") + (part ? "." + part : "");
}

// As many copies of a group's first shape as there are ticks.
const models = {};
function copies(id, ticks, change) {
  const group = document.getElementById(id), first = models[id] ??= group.firstElementChild;
  group.replaceChildren(...ticks.map(t => {
    const copy = first.cloneNode(true);
    change(copy, t);
    return copy;
  }));
}

function axis() {
  const size = step(), decimals = Math.max(0, -Math.floor(Math.log10(size) + 1e-9)), ticks = [];
  for (let n = Math.ceil(from / size - 1e-9); n * size <= until + 1e-9; n++) ticks.push(n * size);
  copies("timeline-grid", ticks, (line, t) => {
    for (const name of ["x1", "x2"]) line.setAttribute(name, at(t).toFixed(1));
  });
  copies("timeline-ticks", ticks, (tick, t) => {
    tick.setAttribute("x", at(t).toFixed(1));
    tick.textContent = text(t, decimals) + " s";
  });
}

function spanned({ node, a, b, least }) {
  const is = b >= from && a <= until;
  shown(node, is);
  if (!is) return;
  const x = Math.max(left, at(a));
  for (const part of node.children) {
    if (part.hasAttribute("x")) part.setAttribute("x", x.toFixed(1));
    if (part.hasAttribute("width")) {
      part.setAttribute("width", Math.max(least, Math.min(right, at(b)) - x).toFixed(1));
    }
  }
}

function draw() {
  axis();
  for (const { node, t } of instants) {
    shown(node, t >= from && t <= until);
    node.setAttribute("transform", `translate(${(at(t) - left - t / end * (right - left)).toFixed(1)} 0)`);
  }
  spans.forEach(spanned);
  for (const { node, points } of lines) {
    node.setAttribute("points", points.map(([t, y]) => at(t).toFixed(1) + "," + y).join(" "));
  }
  for (const { node, t } of dots) {
    shown(node, t >= from && t <= until);
    node.setAttribute("cx", at(t).toFixed(1));
  }
  const whole = until - from >= end, decimals = until - from > 20 ? 0 : 1;
  says.textContent = (whole ? "The whole run is shown: " : "Shown: ") + text(from, whole ? 0 : decimals) + " to " +
    text(until, decimals) + " s" + (whole ? "." : " of " + text(end, 0) + " s.");
  for (const button of all("button", controls)) {
    const wants = button.value;
    const useless = wants === "in" ? until - from <= least * 1.001
      : wants === "earlier" ? from <= 0 : wants === "later" ? until >= end : whole;
    button.setAttribute("aria-disabled", useless);
  }
}

// Shows as much of what is asked for as there is.
function show(a, b) {
  const length = Math.min(end, Math.max(least, b - a));
  from = Math.min(Math.max(0, (a + b - length) / 2), end - length);
  until = from + length;
  draw();
}

// A factor under 1 is closer; what is at `t` stays where it is.
function zoom(factor, t) {
  const length = Math.min(end, Math.max(least, (until - from) * factor));
  const start = t - (t - from) / (until - from) * length;
  show(start, start + length);
}

controls.addEventListener("click", event => {
  const button = event.target.closest("button");
  if (!button) return;
  const middle = (from + until) / 2, half = (until - from) / 2;
  ({
    in: () => zoom(0.5, middle),
    out: () => zoom(2, middle),
    earlier: () => show(from - half, until - half),
    later: () => show(from + half, until + half),
    whole: () => show(0, end),
  })[button.value]();
});

const where = event => new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse()).x;
const inside = x => Math.min(right, Math.max(left, x));
const instant = x => from + (inside(x) - left) / (right - left) * (until - from);

svg.addEventListener("wheel", event => {
  if (!event.ctrlKey && !event.metaKey) return;
  event.preventDefault();
  zoom(Math.exp(Math.max(-100, Math.min(100, event.deltaY)) * 0.004), instant(where(event)));
}, { passive: false });

// A finger scrolls; a mouse or a pen draws a range.
let start = null;
const range = document.createElementNS(svg.namespaceURI, "rect");
range.setAttribute("class", "zoom-range");
const box = svg.viewBox.baseVal;
svg.addEventListener("pointerdown", event => {
  const x = where(event);
  if (event.pointerType === "touch" || event.button || x < left || x > right) return;
  event.preventDefault();
  start = x;
  svg.setPointerCapture(event.pointerId);
});
svg.addEventListener("pointermove", event => {
  if (start === null) return;
  const x = inside(where(event));
  const size = { x: Math.min(start, x), y: 0, width: Math.abs(x - start), height: box.height };
  for (const name in size) range.setAttribute(name, size[name]);
  svg.append(range);
});
function finish(event) {
  if (start === null) return;
  const ends = [start, inside(where(event))].map(instant).sort((a, b) => a - b), moved = range.isConnected;
  const wide = +range.getAttribute("width") > 4;
  start = null;
  range.remove();
  if (moved && wide && event.type === "pointerup") show(...ends);
}
svg.addEventListener("pointerup", finish);
svg.addEventListener("pointercancel", finish);

svg.classList.add("zoomable");
controls.hidden = false;
draw();
})();
