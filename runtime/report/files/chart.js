// Curves over epochs: one SVG a chart, redrawn at the width it has;
// the pointer or the arrow keys read values off.
const HEIGHT = 248;
const EDGE = { left: 56, right: 14, top: 10, bottom: 32 };
const DASHES = { solid: null, dashed: "6 4", dotted: "1.5 4" };
const hidden = new Set(); // runs that the legend has switched off
const colourOf = (run) => `var(--run-${run % 8})`;

class Chart {
  constructor(source) {
    this.source = source;
    const positive = source.lines.every((line) => line.points.every(([, y]) => y > 0));
    this.log = source.log === true && positive;
    this.epoch = null;
    this.svg = draw("svg", {
      class: "plot",
      tabindex: 0,
      role: "slider",
      "aria-label": `${source.title} by epoch; arrow keys read the values`,
      onpointermove: (event) => this.point(event),
      onpointerleave: () => this.read(null),
      onkeydown: (event) => this.key(event),
      onblur: () => this.read(null),
    });
    this.tip = make("div", { class: "tip", "aria-hidden": "true", hidden: true });
    const scale = make(
      "button",
      {
        type: "button",
        class: "switch",
        "aria-pressed": String(this.log),
        onclick: () => {
          this.log = !this.log;
          scale.setAttribute("aria-pressed", String(this.log));
          this.redraw();
        },
      },
      "log",
    );
    const values = make(
      "details",
      { class: "values", ontoggle: () => fillValues(values, source) },
      make("summary", {}, "Values"),
    );
    this.figure = make(
      "figure",
      { class: "panel chart" },
      make(
        "figcaption",
        {},
        make("h2", {}, source.title),
        this.styles(),
        positive && source.log !== false && scale,
      ),
      make("div", { class: "canvas" }, this.svg, this.tip),
      values,
    );
    this.values = values;
    this.width = 0;
    new ResizeObserver(() => {
      if (Math.round(this.svg.clientWidth) !== this.width) this.redraw();
    }).observe(this.svg);
  }

  get lines() {
    return this.source.lines.filter((line) => !hidden.has(line.run));
  }

  /** What solid, dashed and dotted mean here. */
  styles() {
    const kinds = new Map(this.source.lines.map((line) => [line.label, line.style]));
    const entries = [...kinds].map(([label, style]) => {
      const line = draw("line", { x1: 1, x2: 21, y1: 5, y2: 5, "stroke-dasharray": DASHES[style] });
      return make(
        "span",
        { class: "style" },
        draw("svg", { width: 22, height: 10, "aria-hidden": "true" }, line),
        label,
      );
    });
    return make(
      "span",
      { class: "styles" },
      this.source.unit && make("span", {}, `in ${this.source.unit}`),
      entries,
    );
  }

  redraw() {
    this.width = Math.round(this.svg.clientWidth);
    if (!this.width) return;
    const { factor } = this.source;
    const all = this.lines.flatMap((line) => line.points.map(([x, y]) => [x, y * factor]));
    this.svg.replaceChildren();
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${HEIGHT}`);
    this.epochs = [...new Set(all.map(([x]) => x))].sort((a, b) => a - b);
    this.svg.setAttribute("aria-valuemin", String(this.epochs[0] ?? 0));
    this.svg.setAttribute("aria-valuemax", String(this.epochs.at(-1) ?? 0));
    if (!all.length) {
      this.svg.append(
        draw("text", { class: "none", x: this.width / 2, y: HEIGHT / 2 }, "No curve is shown"),
      );
      return this.read(null);
    }
    this.scales(all);
    this.axes();
    for (const line of this.lines) this.line(line);
    this.cross = draw("g", { class: "cross" });
    this.svg.append(this.cross);
    this.read(this.epoch);
  }

  scales(all) {
    const [first, last] = [this.epochs[0], this.epochs.at(-1)];
    const across = this.width - EDGE.left - EDGE.right;
    this.x = (epoch) =>
      EDGE.left + (last > first ? ((epoch - first) / (last - first)) * across : across / 2);
    let low = Math.min(...all.map(([, y]) => y));
    let high = Math.max(...all.map(([, y]) => y));
    const down = HEIGHT - EDGE.top - EDGE.bottom;
    if (this.log) {
      if (high / low < 1.5) [low, high] = [low / 1.5, high * 1.5];
      const span = Math.log(high / low);
      this.y = (value) => EDGE.top + down * (1 - Math.log(value / low) / span);
      this.ticks = logTicks(low, high);
      return;
    }
    const room = (high - low || Math.abs(high) || 1) * 0.06;
    [low, high] = [low >= 0 && low < high * 0.4 ? 0 : low - room, high + room];
    if (this.source.unit === "%") [low, high] = [Math.max(low, 0), Math.min(high, 100)];
    if (high === low) low -= 1;
    this.y = (value) => EDGE.top + down * (1 - (value - low) / (high - low));
    this.ticks = ticks(low, high, 5);
  }

  axes() {
    const bottom = HEIGHT - EDGE.bottom;
    for (const value of this.ticks) {
      const y = this.y(value);
      this.svg.append(
        draw("line", { class: "grid", x1: EDGE.left, x2: this.width - EDGE.right, y1: y, y2: y }),
        draw("text", { class: "tick", x: EDGE.left - 8, y: y + 4, "text-anchor": "end" }, brief(value, 4)),
      );
    }
    const [first, last] = [this.epochs[0], this.epochs.at(-1)];
    const marks = last > first ? ticks(first, last, Math.max(2, this.width / 90)) : [first];
    for (const epoch of marks.filter(Number.isInteger)) {
      this.svg.append(
        draw(
          "text",
          { class: "tick", x: this.x(epoch), y: bottom + 18, "text-anchor": "middle" },
          String(epoch),
        ),
      );
    }
    this.svg.append(
      draw("line", { class: "axis", x1: EDGE.left, x2: this.width - EDGE.right, y1: bottom, y2: bottom }),
      draw("text", { class: "tick", x: EDGE.left - 8, y: bottom + 18, "text-anchor": "end" }, "epoch"),
    );
  }

  line({ run, style, points }) {
    const places = points.map(([x, y]) => [this.x(x), this.y(y * this.source.factor)]);
    const path = places.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
    const stroke = { stroke: colourOf(run) };
    this.svg.append(
      draw("path", { class: "line", d: path, "stroke-dasharray": DASHES[style], style: stroke }),
    );
    if (points.length > 40) return;
    for (const [x, y] of places)
      this.svg.append(
        draw("circle", { class: "dot", cx: x, cy: y, r: 2.6, style: { fill: colourOf(run) } }),
      );
  }

  point(event) {
    if (!this.epochs?.length) return;
    const x = ((event.clientX - this.svg.getBoundingClientRect().left) / this.svg.clientWidth) * this.width;
    const distance = (epoch) => Math.abs(this.x(epoch) - x);
    this.read(this.epochs.reduce((best, epoch) => (distance(epoch) < distance(best) ? epoch : best)));
  }

  key(event) {
    const last = this.epochs.length - 1;
    const now = this.epochs.indexOf(this.epoch);
    const to = { ArrowRight: now + 1, ArrowLeft: now < 0 ? last : now - 1, Home: 0, End: last }[event.key];
    if (event.key === "Escape") return this.read(null);
    if (to === undefined || last < 0) return;
    event.preventDefault();
    this.read(this.epochs[Math.min(Math.max(to, 0), last)]);
  }

  /** Show every line's value at an epoch, or none. */
  read(epoch) {
    this.epoch = this.epochs?.includes(epoch) ? epoch : null;
    this.cross?.replaceChildren();
    this.tip.hidden = this.epoch === null;
    if (this.epoch === null) return this.svg.removeAttribute("aria-valuetext");
    const found = this.lines.flatMap((line) => {
      const point = line.points.find(([x]) => x === this.epoch);
      return point ? [{ ...line, value: point[1] }] : [];
    });
    const x = this.x(this.epoch);
    this.cross.append(draw("line", { x1: x, x2: x, y1: EDGE.top, y2: HEIGHT - EDGE.bottom }));
    for (const { run, value } of found) {
      const y = this.y(value * this.source.factor);
      this.cross.append(draw("circle", { cx: x, cy: y, r: 4.5, style: { fill: colourOf(run) } }));
    }
    const many = data.runs.length > 1;
    const texts = found.map((f) => [
      many ? `${data.runs[f.run].name} ${f.label}` : f.label,
      this.text(f.value),
    ]);
    this.tip.replaceChildren(
      make("b", {}, `epoch ${this.epoch}`),
      ...found.map((f, i) =>
        make(
          "span",
          { class: "row" },
          make("i", { class: "chip", style: { "--ink": colourOf(f.run) } }),
          make("span", { class: "who" }, texts[i][0]),
          make("span", { class: "number" }, texts[i][1]),
        ),
      ),
    );
    const left = (x / this.width) * this.svg.clientWidth;
    const wide = this.tip.offsetWidth;
    const room = this.svg.clientWidth - wide - 2;
    const beside = left + 14 > room ? left - wide - 14 : left + 14;
    this.tip.style.left = `${Math.max(2, Math.min(beside, room))}px`;
    this.svg.setAttribute("aria-valuenow", String(this.epoch));
    this.svg.setAttribute(
      "aria-valuetext",
      `epoch ${this.epoch}: ${texts.map((t) => t.join(" ")).join(", ")}`,
    );
  }

  text(value) {
    if (this.source.unit === "%") return `${(value * this.source.factor).toFixed(2)} %`;
    return brief(value * this.source.factor) + (this.source.unit ? ` ${this.source.unit}` : "");
  }
}
