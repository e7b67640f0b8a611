// Opening in place: the plane is stretched around what opens, so Graphviz's order stays and nothing overlaps.
const [BOX_WIDTH, BOX_HEIGHT] = data.box;
const [PORT_WIDTH, PORT_HEIGHT] = data.port;
const HEADER = 52;
const PADDING = 18;

/** A thing's size, and the arrangement of its inside where it is open. */
function measured(thing) {
  if (!isOpen(thing)) return { width: BOX_WIDTH, height: BOX_HEIGHT };
  const inner = arranged(thing.layout);
  return { width: Math.max(inner.width, 340) + 2 * PADDING, height: inner.height + HEADER + PADDING, inner };
}

/** Where everything directly inside a cluster lies, relative to the cluster's inside. */
function arranged(layout) {
  const kids = layout.kids.map(([id, x, y]) => ({ thing: things[id], x, y, size: measured(things[id]) }));
  const opened = kids.filter((kid) => isOpen(kid.thing));
  const across = stretch(opened.map((k) => [k.x - BOX_WIDTH / 2, k.x + BOX_WIDTH / 2, k.size.width + 24]));
  const down = stretch(opened.map((k) => [k.y - BOX_HEIGHT / 2, k.y + BOX_HEIGHT / 2, k.size.height]));
  const boxes = kids.map(({ thing, x, y, size }) => ({
    thing,
    ...size,
    left: across(x) - size.width / 2,
    top: down(y) - size.height / 2,
  }));
  const ports = layout.ports.map(([name, x, y]) => ({
    name,
    width: PORT_WIDTH,
    height: PORT_HEIGHT,
    left: across(x) - PORT_WIDTH / 2,
    top: down(y) - PORT_HEIGHT / 2,
  }));
  const ends = [...boxes, ...ports];
  const edges = layout.edges.map(([from, to, kind, points]) => ({
    from: ends[from],
    to: ends[to],
    kind,
    line: curve(ends[from], ends[to], points, across, down),
  }));
  return { width: across(layout.width), height: down(layout.height), boxes, ports, edges };
}

/** A map of coordinates that gives each span at least its new size and leaves the rest as it is. */
function stretch(spans) {
  const cuts = [...new Set(spans.flatMap(([from, to]) => [from, to]))].sort((a, b) => a - b);
  const pieces = cuts.slice(0, -1).map((from, i) => {
    const to = cuts[i + 1];
    const covering = spans.filter(([low, high]) => low <= from && high >= to);
    const factor = Math.max(1, ...covering.map(([low, high, size]) => size / (high - low)));
    return { from, to, extra: (factor - 1) * (to - from) };
  });
  return (v) =>
    pieces.reduce((sum, { from, to, extra }) => {
      if (v <= from) return sum;
      return sum + (v >= to ? extra : (extra * (v - from)) / (to - from));
    }, v);
}

/** An edge as an SVG path: from border to border, along the stretched Bézier curve. */
function curve(from, to, points, across, down) {
  // an edge may sway beyond its ends, into boxes that stretch: that would tear it
  const [high, low] = [points[1], points.at(-1)];
  const mapped = [];
  for (let i = 0; i < points.length; i += 2) {
    mapped.push([across(points[i]), down(Math.min(Math.max(points[i + 1], high), low))]);
  }
  const tip = mapped.pop();
  const [start, ...rest] = mapped;
  const words = [`M${start[0]},${from.top + from.height}L${start.join(",")}`];
  for (let i = 0; i + 2 < rest.length; i += 3)
    words.push(
      `C${rest
        .slice(i, i + 3)
        .map((p) => p.join(","))
        .join(" ")}`,
    );
  words.push(`L${tip.join(",")}L${tip[0]},${to.top}`);
  return words.join("");
}
