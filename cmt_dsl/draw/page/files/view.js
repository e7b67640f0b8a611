// Where the drawing is looked at from: pan, wheel, pinch, buttons; and getting a thing into view.
const view = { x: 0, y: 0, scale: 1 };
const pointers = new Map();
let moved = 0;

function look() {
  scene.setAttribute("transform", `translate(${view.x},${view.y}) scale(${view.scale})`);
}

const bounded = (scale) => Math.min(3, Math.max(0.02, scale));

function zoom(factor, x = svg.clientWidth / 2, y = svg.clientHeight / 2) {
  const scale = bounded(view.scale * factor);
  view.x = x - ((x - view.x) * scale) / view.scale;
  view.y = y - ((y - view.y) * scale) / view.scale;
  view.scale = scale;
  look();
}

/** The whole graph where that can be read; else its top, at a size that can be. */
function fit(readable = false) {
  const [width, height] = [svg.clientWidth, svg.clientHeight];
  if (!width || !height) return;
  const across = (width - 40) / whole.width;
  const scale = Math.min(1.15, across, (height - 84) / whole.height);
  view.scale = bounded(readable ? Math.max(scale, Math.min(across, 0.8)) : scale);
  view.x = (width - whole.width * view.scale) / 2;
  view.y = Math.max(20, (height - 52 - whole.height * view.scale) / 2);
  look();
}

/** Move the view so that a thing is seen, its head at least; only as far as needed unless `centred`. */
function bringIntoView(thing, centred = false) {
  const box = placed.get(thing);
  if (!box) return;
  if (centred && view.scale < 0.55) view.scale = 0.8;
  const [width, height, margin] = [svg.clientWidth, svg.clientHeight, 24];
  const tall = Math.min(box.height, HEADER * 3);
  const [left, top] = [view.x + box.left * view.scale, view.y + box.top * view.scale];
  const [right, bottom] = [left + box.width * view.scale, top + tall * view.scale];
  if (centred && (left < 0 || right > width || top < 0 || bottom > height - 56)) {
    view.x += width / 2 - (left + right) / 2;
    view.y += (height - 56) / 2 - (top + bottom) / 2;
  } else {
    if (right > width - margin) view.x -= right - width + margin;
    if (view.x + box.left * view.scale < margin) view.x = margin - box.left * view.scale;
    if (bottom > height - 64) view.y -= bottom - height + 64;
    if (view.y + box.top * view.scale < margin) view.y = margin - box.top * view.scale;
  }
  look();
}

/** Redraw after a change, with a thing staying where it is on the screen. */
function keeping(thing, change) {
  const before = placed.get(thing);
  change();
  draw();
  const after = placed.get(thing);
  if (before && after) {
    view.x += (before.left + before.width / 2 - after.left - after.width / 2) * view.scale;
    view.y += (before.top - after.top) * view.scale;
  }
  look();
}

svg.addEventListener(
  "wheel",
  (event) => {
    event.preventDefault();
    const { left, top } = svg.getBoundingClientRect();
    const lines = event.deltaMode === 1 ? 16 : 1;
    const speed = event.ctrlKey ? 0.01 : 0.0016;
    zoom(Math.exp(-event.deltaY * lines * speed), event.clientX - left, event.clientY - top);
  },
  { passive: false },
);

svg.addEventListener("pointerdown", (event) => {
  if (pointers.size === 0) moved = 0;
  pointers.set(event.pointerId, [event.clientX, event.clientY]);
});

addEventListener("pointermove", (event) => {
  const before = pointers.get(event.pointerId);
  if (!before) return;
  const now = [event.clientX, event.clientY];
  const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
  pointers.set(event.pointerId, now);
  moved += Math.hypot(now[0] - before[0], now[1] - before[1]);
  if (moved > 4) svg.classList.add("dragged");
  if (other) {
    const { left, top } = svg.getBoundingClientRect();
    const apart = ([x, y]) => Math.hypot(x - other[0], y - other[1]);
    zoom(
      apart(now) / Math.max(1, apart(before)),
      (now[0] + other[0]) / 2 - left,
      (now[1] + other[1]) / 2 - top,
    );
    view.x += (now[0] - before[0]) / 2;
    view.y += (now[1] - before[1]) / 2;
  } else {
    view.x += now[0] - before[0];
    view.y += now[1] - before[1];
  }
  look();
});

for (const name of ["pointerup", "pointercancel"]) {
  addEventListener(name, (event) => {
    pointers.delete(event.pointerId);
    if (!pointers.size) svg.classList.remove("dragged");
  });
}

at("in").addEventListener("click", () => zoom(1.25));
at("out").addEventListener("click", () => zoom(0.8));
at("fit").addEventListener("click", () => fit());

// On paper the whole graph fits the width of the sheet; afterwards everything is as it was.
const paper = matchMedia("print");
function printable() {
  if (paper.matches) {
    svg.setAttribute("viewBox", `-8 -8 ${whole.width + 22} ${whole.height + 22}`);
    scene.removeAttribute("transform");
  } else {
    svg.removeAttribute("viewBox");
    look();
  }
}
paper.addEventListener("change", printable);
