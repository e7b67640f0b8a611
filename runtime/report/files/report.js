// The page: a legend that hides runs, curves, tables, predictions.
function summaryOf(run) {
  const done = `${run.epochs_done} of ${run.epochs ?? "?"} epochs`;
  const best =
    run.best === null
      ? "not validated yet"
      : `best top-1 ${percent(run.best, 2)} (epoch ${run.best_epoch})`;
  return `${run.model ?? "unknown model"} · ${done} · ${best}`;
}

function begin() {
  const { runs } = data;
  at("title").textContent = several ? `${runs.length} runs` : runs[0].name;
  at("subtitle").textContent = several ? "" : summaryOf(runs[0]);
  const drawn = data.charts.map((source) => new Chart(source));
  at("legend").append(
    ...runs.map((run, index) => {
      const words = [
        chipOf(index),
        make("span", { class: "name" }, run.name),
        make("span", { class: `state ${run.state}` }, run.state),
        several && make("span", { class: "sum" }, summaryOf(run)),
      ].filter(Boolean);
      if (!several) return make("span", { class: "run" }, words);
      const button = make(
        "button",
        {
          type: "button",
          class: "run",
          "aria-pressed": "true",
          onclick: () => {
            if (!hidden.delete(index)) hidden.add(index);
            button.setAttribute("aria-pressed", String(!hidden.has(index)));
            for (const chart of drawn) chart.redraw();
          },
        },
        words,
      );
      return button;
    }),
  );
  const none = "No epoch is complete yet: there is nothing to draw.";
  at("curves").append(
    ...(drawn.length ? drawn.map((chart) => chart.figure) : [make("p", { class: "panel" }, none)]),
  );
  for (const chart of drawn) chart.redraw();
  results();
  settings();
  predictions();
  history();
  at("foot").textContent = `Made by cmt report, ${data.made}. Every number is the run's own.`;
  document.documentElement.dataset.ready = "";
}
begin();
