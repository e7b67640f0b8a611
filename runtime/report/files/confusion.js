// Which classes were taken for which: a matrix, or of too many classes the pairs most often confused.
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
