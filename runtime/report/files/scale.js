// Round numbers for an axis.
/** About `count` round numbers from `low` to `high`. */
function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough * 0.999) ?? rough;
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) found.push(i * step);
  return found;
}

/** Powers of ten within a range, or round numbers where it holds fewer than two. */
function logTicks(low, high) {
  const found = [];
  const every = Math.max(1, Math.ceil(Math.log10(high / low) / 5));
  for (let e = Math.ceil(Math.log10(low) - 1e-9); e <= Math.log10(high) + 1e-9; e += every)
    found.push(10 ** e);
  return found.length > 1 ? found : ticks(low, high, 4).filter((v) => v > 0);
}

/** A number in at most `digits` significant digits. */
function brief(value, digits = 5) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-3)
    return value
      .toExponential(digits - 1)
      .replace(/\.?0+e/, "e")
      .replace("e+", "e");
  return String(Number(value.toPrecision(digits)));
}
