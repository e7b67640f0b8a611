// Search over every concrete path, operator and block; a hit opens the way and chooses the instance.
const query = at("query");
const hits = at("hits");
const MOST = 40;
let found = [];
let chosen = -1;

function search() {
  const wanted = query.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  found = wanted.length ? ranked(wanted) : [];
  chosen = found.length ? 0 : -1;
  const rows = found.slice(0, MOST).map((hit, i) =>
    make(
      "li",
      {
        role: "option",
        id: `hit-${i}`,
        "aria-selected": String(i === chosen),
        onmousedown: (e) => {
          e.preventDefault();
          take(i);
        },
      },
      make("span", { class: "path" }, hit.path),
      make("span", { class: "what" }, hit.thing.what),
    ),
  );
  if (wanted.length && !found.length)
    rows.push(make("li", { class: "none", role: "option", "aria-disabled": "true" }, "nothing found"));
  if (found.length > MOST)
    rows.push(
      make("li", { class: "none", role: "presentation" }, `and ${grouped(found.length - MOST)} more`),
    );
  hits.replaceChildren(...rows);
  show(wanted.length > 0);
  mark();
}

/** Hits that hold every word; whole names and short paths first, then the order of the graph. */
function ranked(wanted) {
  const score = ({ thing, path }) => {
    const lower = path.toLowerCase();
    const last = wanted.at(-1);
    if (lower === last) return 0;
    if (lower.endsWith(`.${last}`)) return 1;
    return thing.what.toLowerCase() === last ? 2 : 3;
  };
  return index
    .filter(({ text }) => wanted.every((word) => text.includes(word)))
    .map((hit, i) => [score(hit), i, hit])
    .sort((a, b) => a[0] - b[0] || a[1] - b[1])
    .map(([, , hit]) => hit);
}

function show(visible) {
  hits.hidden = !visible;
  query.setAttribute("aria-expanded", String(visible));
}

function mark() {
  [...hits.children].forEach((row, i) => {
    if (i < Math.min(found.length, MOST)) row.setAttribute("aria-selected", String(i === chosen));
  });
  if (chosen >= 0) query.setAttribute("aria-activedescendant", `hit-${chosen}`);
  else query.removeAttribute("aria-activedescendant");
  hits.children[chosen]?.scrollIntoView({ block: "nearest" });
}

function take(i) {
  if (!found[i]) return;
  show(false);
  goTo(found[i], { focus: true });
}

/** Choose a concrete path: the instances on the way, and the thing. */
function goTo({ thing, picks }, options = {}) {
  for (const [run, instance] of picks) run.instance = instance;
  select(thing, { show: true, again: true, ...options });
}

query.addEventListener("input", search);
query.addEventListener("focus", () => {
  if (query.value) search();
});
query.addEventListener("blur", () => show(false));
query.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step && found.length) {
    event.preventDefault();
    chosen = Math.min(Math.max(chosen + step, 0), Math.min(found.length, MOST) - 1);
    mark();
  } else if (event.key === "Enter") {
    event.preventDefault();
    take(chosen);
  } else if (event.key === "Escape") {
    query.value = "";
    search();
  }
});
