// What a run's best checkpoint said of the held-out images.
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
