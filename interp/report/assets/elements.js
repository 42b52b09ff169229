"use strict";
// Elements are made with their texts as texts: nothing from a corpus or a model's name is ever read as markup.

const data = JSON.parse(document.getElementById("data").textContent);

const SVG = "http://www.w3.org/2000/svg";

function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

function drawing(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function byId(id) {
  return document.getElementById(id);
}

// A number with the digits that count; nothing where there is none.
function shown(value, digits = 2) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  if (value !== 0 && Math.abs(value) < 0.5 * 10 ** -digits) return value.toExponential(1);
  return value.toFixed(digits);
}

function whole(value) {
  return typeof value === "number" ? value.toLocaleString("en") : shown(value);
}

function interval(low, high) {
  return low === null || low === undefined || high === null || high === undefined ? "" : ` [${shown(low)}, ${shown(high)}]`;
}

// "self 3.1" is 3.1 where a model has one site
function headName(key) {
  return severalSites ? key : key.slice(key.indexOf(" ") + 1);
}

function headParts(key) {
  const [site, place] = key.split(" ");
  const [layer, head] = place.split(".").map(Number);
  return { site, layer, head };
}

const severalSites = new Set(Object.keys(data.cards).map((key) => key.split(" ")[0])).size > 1;
