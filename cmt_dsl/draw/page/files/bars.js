// The bar of cost by stage, the legend, and what colours mean.
const stagesBar = at("stages");
const metricChoice = at("metric");
const FAMILIES = { noise: "trains only" }; // the others are called as they are

function bar() {
  const metric = state.metric || "macs";
  const total = data.total[metric];
  const parts = inside(root).filter((thing) => thing.family !== "input");
  stagesBar.replaceChildren(
    ...parts.map((thing, i) => {
      const value = thing.figures[metric];
      const label = `${thing.title}: ${grouped(value)} ${METRICS[metric].name}, ${share(value, total)}`;
      const part = make(
        "button",
        {
          type: "button",
          class: "part",
          title: label,
          "aria-label": label,
          "data-path": thing.path,
          onclick: () => select(thing, { show: true, centred: true }),
        },
        make("span", { class: "name" }, thing.title.replace(/^stages\./, "stage ")),
        make(
          "span",
          { class: "value" },
          short(value, metric).trim(),
          make("span", { class: "rest" }, ` · ${share(value, total)}`),
        ),
      );
      part.style.flexGrow = String(total ? Math.max(value / total, 0.0001) : 1);
      part.style.setProperty("--share", String(total ? value / total : 0));
      part.style.setProperty("--tone", String(i % 6));
      return part;
    }),
  );
  markBar();
}

function markBar() {
  const top = state.selected && (ancestors(state.selected)[0] ?? state.selected);
  for (const part of stagesBar.children)
    part.setAttribute("aria-pressed", String(part.dataset.path === top?.path));
}

function chip(thing) {
  const box = make("span", { class: "chip" });
  box.style.setProperty("--ink", inkOf(thing));
  return box;
}

/** The colours' meaning: what the boxes and edges on view are, or a scale up to the costliest box. */
function legend() {
  const box = at("legend");
  if (!state.metric) {
    box.className = "families";
    box.removeAttribute("aria-label");
    const entries = new Map();
    for (const thing of visibleLeaves(root)) {
      entries.set(
        thing.family === "block" ? thing.what : (FAMILIES[thing.family] ?? thing.family),
        chip(thing),
      );
    }
    for (const kind of ["residual", "shared"]) {
      if (kinds.has(kind)) entries.set(`${kind} edge`, make("span", { class: `dash ${kind}` }));
    }
    box.replaceChildren(...[...entries].map(([name, mark]) => make("span", { class: "entry" }, mark, name)));
    return;
  }
  box.className = "scale";
  const tick = (part) => make("span", {}, short(hottest * part, state.metric).trim());
  box.replaceChildren(
    make("span", { class: "ramp" }),
    make("span", { class: "ticks" }, tick(0), tick(0.25), tick(1)),
  );
  box.setAttribute(
    "aria-label",
    `Scale of ${METRICS[state.metric].name}, from 0 to ${grouped(hottest)} in one box`,
  );
}

metricChoice.addEventListener("change", () => {
  state.metric = metricChoice.value;
  bar();
  draw();
});
