// What a run's best checkpoint said of the held-out images.
function confusion(found) {
  const { classes, counts, cells } = found;
  if (!found.whole) return pairs(found);
  const at = new Map(cells.map(([t, g, n]) => [`${t} ${g}`, n]));
  const box = (t, g) => {
    const n = at.get(`${t} ${g}`) ?? 0;
    const share = counts[t] ? n / counts[t] : 0;
    const says = `${n} of ${plural(counts[t], "image")} of ${classes[t]} taken for ${classes[g]}`;
    const style = { "--share": n ? `${Math.round(18 + 82 * Math.sqrt(share))}%` : "0%" };
    return make(
      "td",
      { class: t === g ? "right" : n ? "wrong" : null, title: says, style },
      n ? String(n) : "",
    );
  };
  const rows = classes.map((name, t) =>
    make(
      "tr",
      {},
      make("th", { scope: "row", title: name }, name),
      classes.map((_, g) => box(t, g)),
      make("td", { class: "sum" }, String(counts[t])),
      make("td", { class: "sum" }, counts[t] ? percent((at.get(`${t} ${t}`) ?? 0) / counts[t]) : "–"),
    ),
  );
  const heads = classes.map((name) => make("th", { scope: "col", title: name }, make("span", {}, name)));
  const long = classes.some((name) => name.length > 3);
  const table = make(
    "table",
    { class: long ? "matrix long" : "matrix" },
    make("caption", {}, "Rows: true class. Columns: predicted class."),
    make(
      "thead",
      {},
      make(
        "tr",
        {},
        make("td", {}),
        heads,
        make("th", { scope: "col" }, make("span", {}, "images")),
        make("th", { scope: "col" }, make("span", {}, "right")),
      ),
    ),
    make("tbody", {}, rows),
  );
  return make(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": "Confusion matrix" },
    table,
  );
}

/** Where there are too many classes for a matrix. */
function pairs({ classes, counts, cells, weakest }) {
  const table = (label, heads, rows) =>
    make(
      "div",
      { class: "scroll", tabindex: 0, role: "region", "aria-label": label },
      make(
        "table",
        { class: "comparison" },
        make("caption", {}, label),
        make(
          "thead",
          {},
          make(
            "tr",
            {},
            heads.map((h) => make("th", { scope: "col" }, h)),
          ),
        ),
        make(
          "tbody",
          {},
          rows.map((row) =>
            make(
              "tr",
              {},
              row.map((text) => make("td", {}, text)),
            ),
          ),
        ),
      ),
    );
  const confused = cells.map(([t, g, n]) => [classes[t], classes[g], `${n} of ${counts[t]}`]);
  const weak = weakest.map(([c, right, all]) => [classes[c], percent(right / all), `${right} of ${all}`]);
  return make(
    "div",
    { class: "halves" },
    table("Most often confused", ["true", "predicted", "images"], confused),
    table("Classes least often right", ["class", "right", "images"], weak),
  );
}

function card(found, shown) {
  const { classes } = found;
  const [guess, chance] = shown.top[0];
  const right = guess === shown.true;
  const image = make("img", { alt: `${shown.name}: ${classes[shown.true]}, predicted ${classes[guess]}` });
  image.addEventListener("load", () => image.classList.toggle("coarse", image.naturalWidth <= 48));
  image.src = shown.image;
  const rows = [
    make(
      "p",
      { class: right ? "verdict right" : "verdict wrong" },
      make("b", {}, classes[guess]),
      ` ${percent(chance)}`,
    ),
    right
      ? null
      : make("p", { class: "truth" }, "is ", make("b", {}, classes[shown.true]), ` ${percent(shown.own)}`),
    make("p", { class: "file", title: shown.name }, shown.name),
  ];
  const rest = shown.top
    .slice(1)
    .map(([c, p]) => `${classes[c]} ${percent(p)}`)
    .join(", ");
  return make(
    "figure",
    { class: "card", title: rest && `then ${rest}` },
    image,
    make("figcaption", {}, rows),
  );
}

function gallery(found, why, title, note) {
  const cards = found.shown.filter((shown) => shown.why === why).map((shown) => card(found, shown));
  return [
    make("h3", {}, title),
    make("p", { class: "note" }, note),
    make("div", { class: "cards" }, cards),
  ];
}

function predictionsOf(found) {
  if (found.how) {
    const command = found.how.map((word) =>
      /^[\w./:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`,
    );
    const how =
      "The confusion matrix and the hardest images need one look at the held-out images. To take it:";
    return [
      make("p", { class: "note" }, how),
      make("pre", { class: "command", tabindex: 0 }, command.join(" ")),
    ];
  }
  const { facts } = found;
  const what = `${facts.checkpoint} (epoch ${facts.epoch}, ${facts.weights} weights)`;
  const of = `${what} on ${facts.data}, by ${facts.backend}`;
  const top1 = `${percent(facts.top1, 2)} top-1 of ${plural(found.images, "image")}`;
  const moved = `of epoch ${facts.epoch}, the best is now ${found.best_epoch}`;
  const why = facts.epoch === found.best_epoch ? "of another model" : moved;
  const stale = `Stale: ${why}. Take them anew with --data.`;
  return [
    make("p", { class: "note" }, `${of}: ${top1}.`),
    found.stale && make("p", { class: "warning" }, stale),
    make("h3", {}, "Confusion"),
    confusion(found),
    ...gallery(found, "hardest", "Hardest images", "Those whose true class got the least probability."),
    ...gallery(found, "sample", "Samples", "Taken evenly from all held-out images."),
  ].filter(Boolean);
}

function predictions() {
  const section = at("predictions");
  const panel = make("div", { class: "panel", id: "predicted", role: several ? "tabpanel" : null });
  const tabs = data.runs.map((run, i) =>
    make(
      "button",
      { type: "button", role: "tab", onclick: () => choose(i), onkeydown: (e) => step(e, i) },
      chipOf(i),
      run.name,
    ),
  );
  function choose(index) {
    tabs.forEach((tab, i) => {
      tab.setAttribute("aria-selected", String(i === index));
      tab.tabIndex = i === index ? 0 : -1;
    });
    const name = several ? `Predictions of ${data.runs[index].name}` : "Predictions";
    panel.replaceChildren(make("h2", {}, name), ...predictionsOf(data.predictions[index]));
  }
  function step(event, index) {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const next = (index + by + tabs.length) % tabs.length;
    choose(next);
    tabs[next].focus();
  }
  if (several)
    section.append(
      make("div", { class: "tabs", role: "tablist", "aria-label": "Predictions of a run" }, tabs),
    );
  section.append(panel);
  const first = data.predictions.findIndex((found) => !found.how);
  choose(Math.max(first, 0));
}
