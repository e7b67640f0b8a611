// The spec's texts beside the graph: lines know their things, things know their lines.
const tabs = at("tabs");
const code = at("code");
const owners = data.files.map(() => new Map()); // per file: line -> things that it says
const fileOf = new Map(data.files.map((file, i) => [file.name, i]));
const narrow = matchMedia("(max-width: 860px)"); // the graph stands above the text
let shownFile = -1;

for (const thing of things) {
  const file = fileOf.get(thing.place?.[0]);
  if (file === undefined) continue;
  const lines = owners[file];
  for (let line = thing.place[1]; line <= thing.place[3]; line += 1) {
    lines.set(line, [...(lines.get(line) ?? []), thing]);
  }
}
for (const lines of owners) {
  for (const [line, all] of lines) {
    // a stage's text may span the lines of its parts: the things that start here, or else the innermost
    const starts = all.filter((thing) => thing.place[1] === line);
    const nearest = Math.max(...all.map((thing) => thing.place[1]));
    lines.set(line, starts.length ? starts : all.filter((thing) => thing.place[1] === nearest));
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
    const many = own.reduce((sum, thing) => sum + thing.times, 0);
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
  const own = owners[file].get(number) ?? [];
  if (!own.length) return;
  state.lit = new Set(own);
  const first = own.find(isVisible) ?? own[0];
  select(first, { show: true, keepLit: true });
  if (narrow.matches) svg.scrollIntoView({ block: "center" });
}

/** Show the text that says a thing. */
function showPlace(thing, focus = false) {
  const [file, number] = thing.place ?? [];
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

function markLines() {
  const lit = [...state.lit, state.selected].filter(Boolean);
  for (const row of code.children) {
    const number = Number(row.dataset.line);
    const name = data.files[shownFile].name;
    const here = ({ place }) => place?.[0] === name && place[1] <= number && number <= place[3];
    row.classList.toggle("current", Boolean(state.selected) && here(state.selected));
    row.classList.toggle("lit", lit.some(here));
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
