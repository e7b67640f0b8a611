// Elements from data: texts only ever become text nodes, styles are set by script.
const data = JSON.parse(document.getElementById("payload").textContent);
const at = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";

function made(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [k, v] of Object.entries(value)) element.style.setProperty(k, v);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(
    ...children.flat().filter((child) => child !== null && child !== undefined && child !== false),
  );
  return element;
}

const make = (tag, attributes, ...children) => made(document.createElement(tag), attributes, children);
const draw = (tag, attributes, ...children) =>
  made(document.createElementNS(SVG, tag), attributes, children);
const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)} %`;
const plural = (n, one, many = `${one}s`) => `${n.toLocaleString("en-US")} ${n === 1 ? one : many}`;
