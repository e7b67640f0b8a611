// Images with their likeliest classes; a click on a class shows its map.
const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)}`;

function imageOf({ name, image, guesses, maps }) {
  const map = maps.length ? make("img", {}) : null;
  const about = make("p", {});
  const buttons = guesses.map(([label, chance, logit], i) => {
    const words = [
      make("span", { class: "name" }, label),
      make("span", { class: "chance" }, percent(chance, 2)),
      make("span", { class: "meter" }, make("i", { style: { "--share": `${100 * chance}%` } })),
    ];
    const title = `logit ${logit.toFixed(4)}`;
    if (i >= maps.length) return make("div", { class: "guess", title }, words);
    return make("button", { type: "button", class: "guess", title, onclick: () => choose(i) }, words);
  });
  function choose(index) {
    const [source, sum, bias] = maps[index];
    map.src = source;
    map.alt = `Heat map of ${guesses[index][0]} over ${name}`;
    const [label, , logit] = guesses[index];
    about.textContent = `for ${label}: logit ${signed(logit)} = map ${signed(sum)}, bias ${signed(bias)}`;
    maps.forEach((_, i) => buttons[i].setAttribute("aria-pressed", String(i === index)));
  }
  if (map) choose(0);
  const seen = make(
    "div",
    {},
    make("img", { src: image, alt: name }),
    make("p", {}, "as the model sees it"),
  );
  const list = make(
    "ol",
    { class: "guesses" },
    buttons.map((button) => make("li", {}, button)),
  );
  const sight = make("div", { class: "sight" }, seen, map && make("div", {}, map, about));
  return make("article", { class: "panel image" }, make("h2", {}, name), sight, list);
}

function begin() {
  at("title").textContent = data.title;
  at("subtitle").textContent = data.facts.join(" · ");
  const how =
    "The maps are class activation maps: " +
    "the logit of a class is its bias plus the sum of the map over all positions. " +
    "They say what each position added, not what the model would have said without it, " +
    "and what stands at a position has seen much of the image around it.";
  const ramp = make("span", { class: "scale" });
  const scale = make("p", { class: "note" }, "takes away", ramp, "adds to the logit; one scale an image");
  const about = at("about");
  if (data.no_heat) about.append(make("p", { class: "note" }, `No heat maps: ${data.no_heat}`));
  else if (data.images.length) about.append(make("p", { class: "note" }, how), scale);
  if (data.bad.length) {
    const items = data.bad.map(([name, reason]) => make("li", {}, `${name}: ${reason}`));
    const count = `${plural(items.length, "image")} could not be read`;
    about.append(make("p", { class: "warning" }, count), make("ul", { class: "bad" }, items));
  }
  at("images").append(...data.images.map(imageOf));
  document.documentElement.dataset.ready = "";
}
begin();
