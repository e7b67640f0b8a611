// The page of one validation: figures over all classes, the confusion, and each class in a table that sorts.
const COLUMNS = [
  ["class", "class", (v) => v],
  ["right", "right", (v) => v.toLocaleString("en-US")],
  ["total", "images", (v) => v.toLocaleString("en-US")],
  ["answered", "answered", (v) => v.toLocaleString("en-US")],
  ["recall", "recall", (v) => percent(v, 2)],
  ["precision", "precision", (v) => percent(v, 2)],
  ["f1", "F1", (v) => percent(v, 2)],
];

function whole() {
  const facts = [
    ["Top-1", percent(data.top1, 2)],
    ["Top-5", percent(data.top5, 2)],
    ["Balanced accuracy", data.balanced_accuracy === null ? "–" : percent(data.balanced_accuracy, 2)],
    ["Macro F1", data.macro_f1 === null ? "–" : percent(data.macro_f1, 2)],
    ["Loss", data.loss.toFixed(4)],
    ["Images", data.images.toLocaleString("en-US")],
    ["Classes measured", `${data.classes_measured} of ${data.rows.length}`],
  ];
  if (data.unanswered) facts.push(["Without an answer", `${data.unanswered} (the logits are no numbers)`]);
  if (data.bad) facts.push(["Unreadable, left out", String(data.bad)]);
  const rows = facts.map(([name, value]) =>
    make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, value)),
  );
  at("whole").append(
    make("h2", { id: "whole-title" }, "All classes"),
    make("div", { class: "scroll" }, make("table", { class: "comparison" }, make("tbody", {}, rows))),
    ...data.notes.map((note) => make("p", { class: "note" }, note)),
  );
}

function table() {
  let [by, down] = ["recall", false];
  const body = make("tbody", {});
  const heads = COLUMNS.map(([key, title]) =>
    make(
      "th",
      { scope: "col" },
      make("button", { type: "button", class: "sort", onclick: () => order(key) }, title),
    ),
  );
  function order(key) {
    down = key === by && !down;
    by = key;
    show();
  }
  function show() {
    const known = data.rows.filter((row) => row[by] !== null);
    const unknown = data.rows.filter((row) => row[by] === null);
    const named = (a, b) => a.class.localeCompare(b.class, "en", { numeric: true });
    const compare = by === "class" ? named : (a, b) => a[by] - b[by];
    known.sort((a, b) => (down ? compare(b, a) : compare(a, b)));
    heads.forEach((head, i) => {
      const sorted = COLUMNS[i][0] === by;
      head.setAttribute("aria-sort", sorted ? (down ? "descending" : "ascending") : "none");
    });
    body.replaceChildren(
      ...[...known, ...unknown].map((row) =>
        make(
          "tr",
          {},
          COLUMNS.map(([key, , format], i) =>
            make(
              i ? "td" : "th",
              { scope: i ? null : "row" },
              row[key] === null ? "–" : format(row[key]),
            ),
          ),
        ),
      ),
    );
  }
  show();
  const made = make("table", { class: "comparison" }, make("thead", {}, make("tr", {}, heads)), body);
  at("classes").append(
    make("h2", { id: "classes-title" }, "Each class"),
    make("p", { class: "note" }, "Recall: right of its images. Precision: right of what was taken for it."),
    make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Each class" }, made),
  );
}

function begin() {
  at("title").textContent = data.checkpoint;
  const what = `${data.model} · epoch ${data.epoch} · ${data.weights} weights`;
  at("subtitle").textContent = `${what} · on ${data.data}`;
  whole();
  at("confusion").append(make("h2", { id: "confusion-title" }, "Confusion"), confusion(data));
  table();
  const graph = data.fingerprint.slice(0, 12);
  at("foot").textContent = `Made by cmt validate, ${data.made}. Graph ${graph}, by ${data.device}.`;
  document.documentElement.dataset.ready = "";
}
begin();
