// The payload as things that know their parent, their children, and which instance of a run is shown.
const data = JSON.parse(document.getElementById("payload").textContent);
const things = data.things.map((raw, id) => ({ ...raw, id, open: false, instance: 0 }));
const root = { id: -1, path: "", title: data.model, what: "model", layout: data.root, figures: data.total };
for (const thing of things) thing.up = things[thing.parent] ?? root;
const inside = (thing) => thing.layout.kids.map(([id]) => things[id]);
const ancestors = (thing) => (thing.up === root ? [] : [...ancestors(thing.up), thing.up]);
const isOpen = (thing) => thing === root || thing.open;
const isVisible = (thing) => ancestors(thing).every((above) => above.open);

/** The path of a thing in the instances that are chosen now. */
function pathOf(thing) {
  if (thing === root) return "";
  const own = thing.instances ? thing.instances[thing.instance] : thing.path;
  return joined(pathOf(thing.up), own.slice(thing.up.path ? thing.up.path.length + 1 : 0));
}

const joined = (above, below) => (above ? `${above}.${below}` : below);

/** Every concrete path of a thing, with the instance to choose in each run on the way. */
function* concretes(thing) {
  const cut = thing.up.path ? thing.up.path.length + 1 : 0;
  for (const [above, picks] of thing.up === root ? [["", []]] : concretes(thing.up)) {
    if (!thing.instances) yield [joined(above, thing.path.slice(cut)), picks];
    else
      for (const [i, own] of thing.instances.entries()) {
        yield [joined(above, own.slice(cut)), [...picks, [thing, i]]];
      }
  }
}

/** Every path of the model, with its thing. */
const index = things.flatMap((thing) =>
  [...concretes(thing)].map(([path, picks]) => ({
    thing,
    path,
    picks,
    text: `${path} ${thing.what}`.toLowerCase(),
  })),
);

/** Where a thing is written: file, line, column, last line. Instances may stand in lines of their own. */
const placeOf = (thing) => data.moved[pathOf(thing)] ?? thing.place;

/** The colour of a thing: blocks by name, operators by what they do. */
const inkOf = (thing) =>
  (thing.family === "block" && data.inks.blocks[thing.what]) || data.inks.families[thing.family];

/** The attributes of a thing in the instances that are chosen now. */
function attributesOf(thing) {
  const other = data.varies[pathOf(thing)] ?? {};
  return (thing.attributes ?? []).map(([name, value]) => [name, other[name] ?? value]);
}

const METRICS = {
  macs: { name: "MACs", unit: "" },
  params: { name: "parameters", unit: "" },
  activations: { name: "activation memory", unit: "B" },
};
const grouped = (n) => n.toLocaleString("en-US");
const shape = (dims) => `[${dims.map((d) => (d === null ? "n" : d)).join(", ")}]`;
const share = (part, whole) => {
  if (!whole) return "";
  return part > 0 && part / whole < 0.0005 ? "<0.1 %" : `${((100 * part) / whole).toFixed(1)} %`;
};

/** A number people can compare at a glance; the exact one stands in the details. */
function short(n, metric = "macs") {
  if (metric === "activations") return scaled(n, 1024, ["B", "KiB", "MiB", "GiB"]);
  return scaled(n, 1000, ["", "K", "M", "G", "T"]).trim();
}

function scaled(n, step, units) {
  let [value, unit, text] = [n, 0, String(Math.round(n))];
  while (Number(text) >= step && unit < units.length - 1) {
    [value, unit] = [value / step, unit + 1];
    text = value < 99.95 ? value.toPrecision(3) : String(Math.round(value)); // three digits
  }
  return `${text} ${units[unit]}`;
}

/** An element with attributes, children and listeners; texts never become markup. */
function make(tag, attributes = {}, ...children) {
  const svg = ["svg", "g", "path", "rect", "text", "tspan", "title", "line", "circle"].includes(tag);
  const element = svg
    ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

const at = (id) => document.getElementById(id);
