// Tables with a column a run: results, settings, what happened when.
const several = data.runs.length > 1;

function chipOf(run) {
  return make("i", { class: "chip", style: { "--ink": colourOf(run) } });
}

/** Rows of {key, values, differs}; of settings the differences are marked where there are several runs. */
function comparison(rows, label, exact) {
  const marked = several && exact;
  const names = data.runs.map((run, i) => make("th", { scope: "col" }, several && chipOf(i), run.name));
  const body = rows.map(({ key, values, differs }) =>
    make(
      "tr",
      { class: marked && differs ? "differs" : null },
      make(
        "th",
        { scope: "row" },
        marked && differs && make("span", { class: "mark", title: "the runs differ" }, "≠"),
        key,
      ),
      values.map((value) => make("td", {}, value ?? "–")),
    ),
  );
  const table = make(
    "table",
    { class: exact ? "comparison exact" : "comparison" },
    make("thead", {}, make("tr", {}, make("td", {}), names)),
    make("tbody", {}, body),
  );
  return make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label }, table);
}

/** All numbers, exactly as metrics.jsonl has them. */
function fillValues(details, source) {
  if (!details.open || details.children.length > 1) return;
  const { lines } = source;
  const epochs = [...new Set(lines.flatMap((line) => line.points.map(([x]) => x)))].sort((a, b) => a - b);
  const maps = lines.map((line) => new Map(line.points));
  const name = ({ run, key }) => (data.runs.length > 1 ? `${data.runs[run].name} ${key}` : key);
  const head = make(
    "tr",
    {},
    make("th", { scope: "col" }, "epoch"),
    lines.map((l) => make("th", { scope: "col" }, name(l))),
  );
  const rows = epochs.map((epoch) =>
    make(
      "tr",
      {},
      make("th", { scope: "row" }, String(epoch)),
      maps.map((map) => make("td", {}, map.has(epoch) ? String(map.get(epoch)) : "–")),
    ),
  );
  const table = make("table", { class: "numbers" }, make("thead", {}, head), make("tbody", {}, rows));
  details.append(
    make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Values" }, table),
  );
}

function results() {
  const note = make(
    "p",
    { class: "note" },
    "The columns of MindCV's performance tables, as cmt report prints them.",
  );
  at("results").append(
    make("h2", { id: "results-title" }, "Results"),
    note,
    comparison(data.table, "Results"),
  );
}

function settings() {
  const section = at("settings");
  const lists = [
    ["Recipe", data.recipe],
    ["Environment", data.environment],
  ];
  const count = lists.flatMap(([, rows]) => rows).filter((row) => row.differs).length;
  const only = make("input", { type: "checkbox", id: "only", checked: several && count > 0, onchange: show });
  const shown = make("div", { class: several ? null : "columns" });
  function show() {
    const blocks = lists.map(([title, rows]) => {
      const wanted = only.checked ? rows.filter((row) => row.differs) : rows;
      const none = make("p", { class: "note" }, "No difference");
      return make("div", {}, make("h3", {}, title), wanted.length ? comparison(wanted, title, true) : none);
    });
    shown.replaceChildren(...blocks);
  }
  const choice = make("label", { class: "choice" }, only, ` only the ${plural(count, "difference")}`);
  section.append(make("h2", { id: "settings-title" }, "Settings"), several ? choice : "", shown);
  show();
}

function history() {
  const lists = data.runs.map((run, i) => {
    const items = run.history.map(([when, what]) =>
      make("li", {}, make("time", {}, when), make("span", {}, what)),
    );
    return [several && make("h3", {}, chipOf(i), run.name), make("ol", { class: "history" }, items)];
  });
  at("history").append(
    make("h2", { id: "history-title" }, "What happened"),
    ...lists.flat().filter(Boolean),
  );
}
