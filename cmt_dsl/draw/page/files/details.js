// What is known of the selected thing, every number exact.
const details = at("details");

function showDetails() {
  const thing = state.selected;
  details.replaceChildren(...(thing ? aboutThing(thing) : aboutModel()));
}

function aboutModel() {
  return [
    make("h2", {}, data.model),
    make("p", { class: "kind" }, data.doc || "the whole model"),
    facts([
      ["Input", shape(data.input)],
      ["Output", shape(data.output)],
    ]),
    costTable(data.total, 1, 1),
    make("p", { class: "hint" }, "Choose a box, or a marked line of the spec below."),
  ];
}

function aboutThing(thing) {
  const path = pathOf(thing);
  const parts = [
    make("h2", { class: "path" }, path),
    make("p", { class: "kind" }, chip(thing), kindOf(thing)),
  ];
  if (thing.instances) parts.push(stepper(thing));
  for (const above of ancestors(thing)) if (above.instances) parts.push(stepper(above));
  parts.push(facts([["Output", shape(thing.output)], ["From", placeButton(thing)], ...neighbours(thing)]));
  if (thing.layout) {
    const label = thing.open ? "Fold" : "Open";
    parts.push(make("button", { type: "button", class: "action", onclick: () => toggle(thing) }, label));
  }
  parts.push(costTable(thing.figures, thing.instances?.length ?? 1, thing.times));
  const attributes = attributesOf(thing);
  if (attributes.length) parts.push(make("h3", {}, "Attributes"), facts(attributes));
  if (thing.parameters?.length) parts.push(make("h3", {}, "Parameters"), parameterTable(thing));
  return parts;
}

function kindOf(thing) {
  const marks = [thing.what];
  if (thing.instances) marks.push(`${thing.instances.length} equal blocks in a row`);
  else if (thing.times > 1) marks.push(`stands ${thing.times} times in the model`);
  if (thing.training) marks.push("acts in training only");
  if (thing.shared > 1) marks.push(`one value, read by ${thing.shared} nodes`);
  return marks.join(" · ");
}

function stepper(run) {
  const go = (by) => () => chooseInstance(run, run.instance + by);
  const last = run.instances.length - 1;
  return make(
    "div",
    { class: "stepper", role: "group", "aria-label": `Instance of ${run.title}` },
    make(
      "button",
      { type: "button", "aria-label": "Previous instance", disabled: run.instance === 0, onclick: go(-1) },
      "‹",
    ),
    make("span", {}, `${run.title}: instance ${run.instance + 1} of ${run.instances.length}`),
    make(
      "button",
      { type: "button", "aria-label": "Next instance", disabled: run.instance === last, onclick: go(1) },
      "›",
    ),
  );
}

function facts(pairs) {
  const list = make("dl", { class: "facts" });
  for (const [name, value] of pairs) list.append(make("dt", {}, name), make("dd", {}, value));
  return list;
}

function placeButton(thing) {
  const place = placeOf(thing);
  if (!place) return "the compiler";
  const [file, line, column] = place;
  if (!line) return file;
  return make(
    "button",
    { type: "button", class: "link", onclick: () => showPlace(thing, true) },
    `${file}:${line}:${column}`,
  );
}

/** Where its values come from and go to, as far as the drawing around it shows. */
function neighbours(thing) {
  const { kids, ports, edges } = thing.up.layout;
  const me = kids.findIndex(([id]) => id === thing.id);
  const named = (i) => {
    if (i >= kids.length) return `input ${ports[i - kids.length][0]}`;
    const other = things[kids[i][0]];
    return make(
      "button",
      { type: "button", class: "link", onclick: () => select(other, { show: true }) },
      other.title,
    );
  };
  const listed = (ends) => make("span", { class: "links" }, ...ends.map(named));
  const reads = edges.filter(([, to]) => to === me).map(([from]) => from);
  const readers = edges.filter(([from]) => from === me).map(([, to]) => to);
  return [
    ["Reads", reads],
    ["Read by", readers],
  ]
    .filter(([, ends]) => ends.length)
    .map(([n, ends]) => [n, listed(ends)]);
}

/** Exact figures: of this thing, of all that are like it where there are several, and their share. */
function costTable(figures, own, times) {
  const body = make("tbody");
  const rows = [
    ["Parameters", "params"],
    ["Statistics", "statistics"],
    ["MACs", "macs"],
    ["Activations, bytes", "activations"],
  ];
  for (const [name, key] of rows) {
    const all = (figures[key] / own) * times;
    const cells = [make("th", { scope: "row" }, name)];
    if (times > 1) cells.push(make("td", { "data-each": key }, grouped(figures[key] / own)));
    cells.push(make("td", { "data-figure": key }, grouped(all)));
    cells.push(make("td", { class: "share" }, share(all, data.total[key])));
    body.append(make("tr", {}, ...cells));
  }
  const heads = ["For one image", ...(times > 1 ? ["each", `all ${times}`] : [""]), "of model"];
  return make(
    "table",
    { class: "figures" },
    make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)))),
    body,
  );
}

function parameterTable(thing) {
  const body = make("tbody");
  for (const [name, dims, count, trained, init] of thing.parameters) {
    const kind = trained ? init : `statistic, ${init}`;
    body.append(
      make(
        "tr",
        {},
        make("th", { scope: "row" }, name || "value"),
        make("td", {}, shape(dims)),
        make("td", {}, grouped(count)),
        make("td", { class: "share" }, kind),
      ),
    );
  }
  const heads = ["Name", "Shape", "Count", "Starts as"].map((head) => make("th", { scope: "col" }, head));
  return make("table", { class: "figures" }, make("thead", {}, make("tr", {}, ...heads)), body);
}
