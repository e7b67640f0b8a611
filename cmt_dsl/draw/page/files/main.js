// What happens when: choosing, opening, the keyboard; and the first look.

/** Choose a thing. `show`: open the way to it and bring it into view; `keepLit`: after a line was clicked;
 * `again`: instances have changed as well. */
function select(thing, { show = false, focus = false, keepLit = false, centred = true, again = false } = {}) {
  state.selected = thing;
  state.focused = thing;
  if (!keepLit) state.lit = new Set([thing]);
  const hidden = show ? ancestors(thing).filter((above) => !above.open) : [];
  for (const above of hidden) above.open = true;
  if (hidden.length || again) draw();
  else paint();
  if (show) bringIntoView(thing, centred);
  if (focus) items.get(thing).focus({ preventScroll: true });
  showSelected();
}

/** Everything beside the graph follows the choice. */
function showSelected() {
  showDetails();
  if (state.selected) showPlace(state.selected);
  markLines();
  markBar();
}

function toggle(thing) {
  if (!thing.layout) return;
  keeping(thing, () => {
    thing.open = !thing.open;
    if (!thing.open && state.selected && ancestors(state.selected).includes(thing)) state.selected = thing;
    state.focused = thing;
  });
  bringIntoView(thing);
  showSelected();
}

function chooseInstance(run, instance) {
  run.instance = Math.min(Math.max(instance, 0), run.instances.length - 1);
  draw();
  showSelected();
}

/** Open everything down to a depth, and fold what lies deeper. */
function openTo(depth) {
  for (const thing of things)
    thing.open =
      Boolean(thing.layout) && ancestors(thing).length < depth && (depth > 1 || thing.what === "stage");
  const hidden = state.selected && !isVisible(state.selected);
  if (hidden) state.selected = ancestors(state.selected).find((above) => !above.open) ?? null;
  draw();
  fit(true);
  if (state.selected) bringIntoView(state.selected, true);
  showSelected();
}

function walk(key) {
  const thing = state.focused;
  const i = order.indexOf(thing);
  const first = thing.layout && thing.open ? inside(thing)[0] : null;
  switch (key) {
    case "ArrowDown":
      return order[i + 1];
    case "ArrowUp":
      return order[i - 1];
    case "Home":
      return order[0];
    case "End":
      return order.at(-1);
    case "ArrowRight":
      if (thing.layout && !thing.open) toggle(thing);
      return first;
    case "ArrowLeft":
      if (thing.layout && thing.open) {
        toggle(thing);
        return null;
      }
      return thing.up === root ? null : thing.up;
    default:
      return undefined;
  }
}

svg.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const shift = { ArrowDown: [0, -80], ArrowUp: [0, 80], ArrowRight: [-80, 0], ArrowLeft: [80, 0] }[
    event.key
  ];
  const command = { "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8), 0: () => fit() }[
    event.key
  ];
  if (command) command();
  else if (event.shiftKey && shift) {
    view.x += shift[0];
    view.y += shift[1];
    look();
  } else if (event.key === "Enter" || event.key === " ") {
    if (state.selected !== state.focused) select(state.focused);
    else toggle(state.focused);
  } else {
    const next = walk(event.key);
    if (next === undefined && !event.key.startsWith("Arrow")) return;
    if (next) {
      select(next, { focus: true });
      bringIntoView(next);
    }
  }
  event.preventDefault();
});

svg.addEventListener("focusin", (event) => {
  const own = event.target.closest?.(".thing");
  if (!own) return;
  state.focused = things[Number(own.id.slice(6))];
});
svg.addEventListener("click", (event) => {
  if (moved > 4) return;
  const own = event.target.closest(".thing");
  if (own) select(things[Number(own.id.slice(6))], { focus: true });
});
svg.addEventListener("dblclick", (event) => {
  const own = event.target.closest(".thing");
  if (own && !event.target.closest(".chevron, .step")) toggle(things[Number(own.id.slice(6))]);
});
for (const button of document.querySelectorAll("[data-level]")) {
  button.addEventListener("click", () => openTo(Number(button.dataset.level)));
}
addEventListener("keydown", (event) => {
  if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) {
    event.preventDefault();
    query.focus();
    query.select();
  }
});
new ResizeObserver(() => {
  if (svg.dataset.seen || !svg.clientWidth) return;
  svg.dataset.seen = "yes"; // the first time that there is room to draw in
  fit(true);
  if (state.selected) bringIntoView(state.selected, true);
}).observe(svg);

at("title").textContent = data.model;
at("subtitle").textContent = [
  data.doc,
  `${grouped(data.total.params)} parameters`,
  `${grouped(data.total.macs)} MACs`,
  `${shape(data.input)} → ${shape(data.output)}`,
]
  .filter(Boolean)
  .join("  ·  ");
bar();
openTo(data.level);
showFile(0);
// a link may name a path: model.html#stages.2.blocks.7.attn
const asked = location.hash.slice(1) || data.focus;
const wanted = index.find(({ path }) => path === asked);
if (wanted) goTo(wanted);
else showDetails();
