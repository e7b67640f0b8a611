// The graph as an SVG tree: every box is a tree item; what is folded is not in the document.
const svg = at("graph");
const scene = make("g");
svg.append(scene);
const state = { selected: null, focused: null, lit: new Set(), metric: "" };
let placed = new Map(); // thing -> its rectangle in the drawing
const items = new Map(); // thing -> its element
let order = []; // visible things, as one walks through them
let whole = { width: 1, height: 1 };
let hottest = 1;
let kinds = new Set(); // of the edges that are drawn

function draw() {
  const hadFocus = svg.contains(document.activeElement);
  placed = new Map();
  kinds = new Set();
  items.clear();
  order = [];
  whole = arranged(root.layout);
  hottest = Math.max(1, ...visibleLeaves(root).map((thing) => thing.figures[state.metric || "macs"]));
  scene.replaceChildren(...drawInside(whole, 0, 0, 1));
  if (!placed.has(state.focused)) state.focused = placed.has(state.selected) ? state.selected : order[0];
  paint();
  if (hadFocus) items.get(state.focused).focus({ preventScroll: true });
  legend();
}

/** What changes without anything moving: who is chosen, lit, and next in the order of tabs. */
function paint() {
  const holders = new Set([...state.lit].flatMap(ancestors));
  for (const [thing, element] of items) {
    change(element, "class", classesOf(thing, holders));
    change(element, "aria-selected", String(thing === state.selected));
    change(element, "tabindex", thing === state.focused ? "0" : "-1");
  }
}

function change(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value); // styles follow only real changes
}

const visibleLeaves = (thing) => inside(thing).flatMap((kid) => (isOpen(kid) ? visibleLeaves(kid) : [kid]));

function drawInside(layout, left, top, level) {
  const lines = layout.edges.map((edge) => drawEdge(edge, left, top));
  const ports = layout.ports.map((port) => drawPort(port, left, top));
  const boxes = layout.boxes.map((box) => drawThing(box, left + box.left, top + box.top, level));
  return [...lines, ...ports, ...boxes];
}

function drawEdge({ line, kind, to }, left, top) {
  kinds.add(kind);
  const tip = [to.left + to.width / 2, to.top];
  const arrow = `M${tip[0] - 4},${tip[1] - 7}L${tip[0]},${tip[1]}L${tip[0] + 4},${tip[1] - 7}`;
  return make(
    "g",
    { class: `edge ${kind}`, transform: `translate(${left},${top})`, "aria-hidden": "true" },
    make("path", { d: line }),
    make("path", { d: arrow, class: "tip" }),
  );
}

function drawPort({ name, left, top, width, height }, x, y) {
  return make(
    "g",
    { class: "port", transform: `translate(${x + left},${y + top})`, "aria-hidden": "true" },
    make("rect", { width, height, rx: height / 2 }),
    make("text", { x: width / 2, y: 15, "text-anchor": "middle" }, fitted(name, width - 12, 6.7)),
    make("title", {}, `input ${name} of the block`),
  );
}

function drawThing(box, left, top, level) {
  const { thing, width, height, inner } = box;
  placed.set(thing, { left, top, width, height });
  order.push(thing);
  const cluster = Boolean(thing.layout);
  const group = make("g", {
    id: `thing-${thing.id}`,
    transform: `translate(${left},${top})`,
    role: "treeitem",
    "aria-level": level,
    "aria-label": spoken(thing),
    "aria-expanded": cluster ? String(thing.open) : null,
  });
  group.style.setProperty("--ink", inkOf(thing));
  items.set(thing, group);
  if (state.metric && !thing.open)
    group.style.setProperty("--heat", Math.sqrt(thing.figures[state.metric] / hottest));
  if (thing.instances && !thing.open) {
    group.append(make("rect", { class: "stack", x: 8, y: 8, width, height, rx: 9 }));
    group.append(make("rect", { class: "stack", x: 4, y: 4, width, height, rx: 9 }));
  }
  group.append(make("rect", { class: "frame", width, height, rx: 9 }));
  if (!thing.open)
    group.append(
      make("path", { class: "stripe", d: `M9,0H5A5,9 0 0 0 0,9V${height - 9}A5,9 0 0 0 5,${height}H9Z` }),
    );
  group.append(...(thing.open ? heading(thing, width) : face(thing, width)));
  if (inner) {
    const shift = (width - inner.width) / 2;
    const within = make("g", { role: "group", transform: `translate(${-left},${-top})` });
    within.append(...drawInside(inner, left + shift, top + HEADER, level + 1));
    group.append(within);
  }
  return group;
}

function classesOf(thing, holders) {
  const names = ["thing", thing.family, thing.layout ? (thing.open ? "open" : "folded") : "leaf"];
  if (thing === state.selected) names.push("selected");
  if (state.lit.has(thing)) names.push("lit");
  else if (thing.layout && !thing.open && holders.has(thing)) names.push("holds-lit");
  if (state.metric && !thing.open) names.push("heated");
  if (thing.training) names.push("training");
  return names.join(" ");
}

/** The three lines of a box: what it is called, what it is, what it costs. */
function face(thing, width) {
  const dims = shape(thing.output);
  const room = width - 40 - (thing.layout ? 18 : 0);
  const cost = costs(thing);
  const y = cost ? 0 : 8; // two lines stand in the middle
  return [
    ...(thing.layout ? [chevron(thing, 16, 12 + y)] : []),
    words("name", thing.layout ? 36 : 18, 22 + y, fitted(thing.title, room - dims.length * 6.7, 7.8)),
    words("shape", width - 12, 22 + y, dims, "end"),
    words("what", 18, 40 + y, fitted(described(thing), width - 30, 6.5)),
    words("cost", 18, 57, fitted(cost, width - 30, 6)),
    make("title", {}, spoken(thing)),
  ];
}

/** The head of an open stage or block, with the instance of a run that its inside stands for. */
function heading(thing, width) {
  const parts = [
    chevron(thing, 14, 13),
    words("name", 38, 23, fitted(thing.title, width - 200, 7.8)),
    words("shape", width - 14, 23, shape(thing.output), "end"),
    words(
      "cost",
      38,
      41,
      fitted(`${described(thing)} · ${costs(thing)}`, width - (thing.instances ? 150 : 56), 6.2),
    ),
  ];
  if (thing.instances) {
    parts.push(step(thing, -1, width - 98), step(thing, 1, width - 34));
    parts.push(words("cost", width - 55, 43, `${thing.instance + 1} / ${thing.instances.length}`, "middle"));
  }
  return parts;
}

function step(thing, by, x) {
  const pressed = (event) => {
    event.stopPropagation();
    chooseInstance(thing, thing.instance + by);
  };
  return make(
    "g",
    { class: "step", transform: `translate(${x},28)`, onclick: pressed, "aria-hidden": "true" },
    make("rect", { width: 22, height: 20, rx: 5 }),
    make("path", { d: by < 0 ? "M13,5L8,10L13,15" : "M9,5L14,10L9,15" }),
    make("title", {}, by < 0 ? "Previous instance" : "Next instance"),
  );
}

function chevron(thing, x, y) {
  const pressed = (event) => {
    event.stopPropagation();
    toggle(thing);
  };
  return make(
    "g",
    { class: "chevron", transform: `translate(${x},${y})`, onclick: pressed, "aria-hidden": "true" },
    make("rect", { x: -8, y: -9, width: 28, height: 30 }),
    make("path", { d: thing.open ? "M1,3L6,9L11,3" : "M3,1L9,6L3,11" }),
  );
}

const words = (name, x, y, text, anchor = "start") =>
  make("text", { class: name, x, y, "text-anchor": anchor }, text);

/** The text, cut to a width in pixels by the mean width of a character. */
function fitted(text, width, each) {
  const most = Math.max(3, Math.floor(width / each));
  const letters = [...text];
  return letters.length > most ? `${letters.slice(0, most - 1).join("")}…` : text;
}

function described(thing) {
  const times = thing.instances ? `${thing.what} ×${thing.instances.length}` : thing.what;
  const marks = [thing.training ? "trains only" : "", thing.shared > 1 ? `shared by ${thing.shared}` : ""];
  const parts = thing.family === "stage" ? inside(thing).filter((kid) => kid.layout) : [];
  const listed = parts
    .map((kid) => (kid.instances ? `${kid.what} ×${kid.instances.length}` : kid.what))
    .join(", ");
  return [times, listed, thing.brief, ...marks].filter(Boolean).join(" · ");
}

function costs({ figures }) {
  if (state.metric === "activations") {
    const bytes = figures.activations;
    return `${short(bytes, "activations")} · ${share(bytes, data.total.activations)}`;
  }
  const parts = [];
  if (figures.params) parts.push(`${short(figures.params)} params`);
  if (figures.macs) parts.push(`${short(figures.macs)} MACs`);
  const metric = state.metric || "macs";
  if (figures[metric]) parts.push(share(figures[metric], data.total[metric]));
  return parts.join(" · ");
}

function spoken(thing) {
  const { figures } = thing;
  const parts = [thing.title, described(thing), shape(thing.output)];
  if (figures.params) parts.push(`${grouped(figures.params)} parameters`);
  if (figures.macs) parts.push(`${grouped(figures.macs)} MACs`);
  return parts.join(", ");
}
