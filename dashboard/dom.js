// Elements that are built from text and other elements only: data never becomes markup.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

// An element with these attributes and children. Attributes that are functions become event listeners.
export function element(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function shape(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(key, value);
    else node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

// Sets a text only if it differs. An unchanged text causes no layout, and a screen reader does not repeat it.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// Whether the node contains a part of the selection, for example to copy it.
export function holdsSelection(node) {
  const selection = getSelection();
  return !selection.isCollapsed && selection.containsNode(node, true);
}

export function setAttribute(node, name, value) {
  if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}
