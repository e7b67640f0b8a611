// The spec's texts beside the graph: lines know their things, things know their lines.
const tabs = at("tabs");
const code = at("code");
const owners = data.files.map(() => new Map()); // per file: line -> what it says: thing, picks, start, count
const fileOf = new Map(data.files.map((file, i) => [file.name, i]));
const narrow = matchMedia("(max-width: 860px)"); // the graph stands above the text
let shownFile = -1;

for (const { thing, path, picks } of index) {
  const [name, start, , end] = data.moved[path] ?? thing.place ?? [];
  for (let line = start; fileOf.has(name) && line <= end; line += 1) {
    const said = owners[fileOf.get(name)];
    if (!said.has(line)) said.set(line, new Map());
    const own = said.get(line);
    const known = own.get(thing) ?? { thing, picks, start, count: 0 };
    own.set(thing, { ...known, count: known.count + 1 });
  }
}
for (const said of owners) {
  for (const [line, own] of said) {
    // a stage's text may span the lines of its parts: the line says what starts nearest to it
    const nearest = Math.max(...[...own.values()].map(({ start }) => start));
    said.set(
      line,
      [...own.values()].filter(({ start }) => start === nearest),
    );
  }
}

function showFile(index) {
  if (index === shownFile || !data.files[index]) return;
  shownFile = index;
  [...tabs.children].forEach((tab, i) => {
    tab.setAttribute("aria-selected", String(i === index));
    tab.tabIndex = i === index ? 0 : -1;
  });
  const { offsetLeft, offsetWidth } = tabs.children[index];
  tabs.scrollLeft = offsetLeft - tabs.offsetLeft - (tabs.clientWidth - offsetWidth) / 2;
  code.setAttribute("aria-labelledby", `tab-${index}`);
  const lines = data.files[index].text.split(/\r\n|[\n\r\u0085\u2028\u2029]/); // the breaks that YAML counts
  if (lines.at(-1) === "") lines.pop();
  code.replaceChildren(...lines.map((text, i) => line(text, i + 1, owners[index].get(i + 1))));
  const first = code.querySelector(".line[role=button]");
  if (first) first.tabIndex = 0;
  markLines();
}

function line(text, number, own) {
  const row = make("div", { class: own ? "line linked" : "line", "data-line": number });
  row.append(
    make("span", { class: "number", "aria-hidden": "true" }, String(number)),
    make("code", {}, ...coloured(text)),
  );
  if (own) {
    const many = own.reduce((sum, { count }) => sum + count, 0);
    row.setAttribute("role", "button");
    row.setAttribute("aria-label", `Line ${number}, ${many} in the graph: ${text.trim()}`);
    row.title = `${many} in the graph`;
    row.tabIndex = -1;
    row.addEventListener("click", () => lightLine(shownFile, number));
  }
  return row;
}

/** YAML in three inks: keys, comments, the rest. */
function coloured(text) {
  const parts = [];
  const comment = text.search(/(^|\s)#/);
  const body = comment < 0 ? text : text.slice(0, comment);
  let from = 0;
  for (const match of body.matchAll(/"[^"]*"|'[^']*'|[\w.]+(?=:(\s|$))|\$[^,}\]]+/g)) {
    const ink = { '"': "quoted", "'": "quoted", $: "formula" }[match[0][0]] ?? "key";
    parts.push(body.slice(from, match.index), make("span", { class: ink }, match[0]));
    from = match.index + match[0].length;
  }
  parts.push(body.slice(from));
  if (comment >= 0) parts.push(make("span", { class: "comment" }, text.slice(comment)));
  return parts.filter((part) => part !== "");
}

/** Light up everything a line says; open the way to the first where none can be seen. */
function lightLine(file, number) {
  const own = owners[file].get(number);
  if (!own) return;
  state.lit = new Set(own.map(({ thing }) => thing));
  goTo(own.find(({ thing }) => isVisible(thing)) ?? own[0], { keepLit: true });
  if (narrow.matches) svg.scrollIntoView({ block: "center" });
}

/** Show the text that says a thing. */
function showPlace(thing, focus = false) {
  const [file, number] = placeOf(thing) ?? [];
  if (!number || !fileOf.has(file)) return;
  showFile(fileOf.get(file));
  markLines();
  const row = code.querySelector(`[data-line="${number}"]`);
  const [top, bottom] = [row.offsetTop - code.offsetTop, row.offsetTop - code.offsetTop + row.offsetHeight];
  if (top < code.scrollTop || bottom > code.scrollTop + code.clientHeight)
    code.scrollTop = top - code.clientHeight / 3;
  if (focus) {
    row.focus({ preventScroll: true });
    if (narrow.matches) row.scrollIntoView({ block: "center" });
  }
}

/** Mark the lines that say the chosen thing. */
function markLines() {
  const [file, first, , last] = (state.selected && placeOf(state.selected)) ?? [];
  const here = data.files[shownFile]?.name === file;
  for (const row of code.children) {
    const number = Number(row.dataset.line);
    row.classList.toggle("lit", here && first <= number && number <= last);
  }
}

data.files.forEach((file, i) => {
  const short = file.name.split("/").at(-1);
  tabs.append(
    make(
      "button",
      {
        type: "button",
        role: "tab",
        id: `tab-${i}`,
        "aria-controls": "code",
        title: file.name,
        onclick: () => showFile(i),
      },
      short,
    ),
  );
});
code.addEventListener("keydown", (event) => {
  const rows = [...code.querySelectorAll(".linked")];
  const i = rows.indexOf(document.activeElement);
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step && rows[i + step]) {
    event.preventDefault();
    rows[i].tabIndex = -1;
    rows[i + step].tabIndex = 0;
    rows[i + step].focus();
  } else if (i >= 0 && (event.key === "Enter" || event.key === " ")) {
    event.preventDefault();
    lightLine(shownFile, Number(rows[i].dataset.line));
  }
});
tabs.addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const next = step && tabs.children[shownFile + step];
  if (!next) return;
  event.preventDefault();
  showFile(shownFile + step);
  next.focus();
});
