// The map: layers down, heads across, one table a site; arrow keys walk, Enter chooses.

const cells = new Map();
let coloured = null;

function drawMaps(choose) {
  const sites = new Map();
  for (const key of Object.keys(data.cards)) {
    const { site, layer, head } = headParts(key);
    const shape = sites.get(site) ?? { layers: 0, heads: 0 };
    sites.set(site, { layers: Math.max(shape.layers, layer + 1), heads: Math.max(shape.heads, head + 1) });
  }
  const most = Math.max(...[...sites.values()].map((shape) => shape.heads));
  // a map that is narrow leaves room for the chosen head beside it
  const beside = sites.size === 1 && most <= 16 && document.documentElement.clientWidth >= 1100;
  document.body.classList.toggle("beside", beside);
  const room = beside ? 440 : Math.min(document.documentElement.clientWidth, 1400) - 76;
  const side = Math.max(16, Math.min(34, Math.floor(room / most) - 2));
  for (const [site, shape] of sites) byId("maps").append(mapOf(site, shape, side, choose));
}

function mapOf(site, shape, side, choose) {
  const numbers = [...Array(shape.heads).keys()];
  const head = element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "layer"),
    ...numbers.map((number) => element("th", { scope: "col", "aria-label": `head ${number}` }, String(number)))));
  const body = element("tbody");
  for (let layer = 0; layer < shape.layers; layer++) {
    const row = element("tr", {}, element("th", { scope: "row", "aria-label": `layer ${layer}` }, String(layer)));
    for (const number of numbers) {
      const key = `${site} ${layer}.${number}`;
      if (!(key in data.cards)) {
        row.append(element("td", { "aria-hidden": "true" }));
        continue;
      }
      const cell = element("td", { role: "gridcell", tabindex: "-1", "data-head": key, "aria-selected": "false",
        onclick: (event) => choose(key, event.shiftKey), onkeydown: (event) => walked(event, key, choose) });
      cells.set(key, cell);
      row.append(cell);
    }
    body.append(row);
  }
  const caption = element("caption", { class: "small" }, severalSites ? `${site}: layers down, heads across` : "layers down, heads across");
  const table = element("table", { class: "map", role: "grid", "aria-label": `heads of ${site} attention` }, caption, head, body);
  table.style.setProperty("--cell", `${side}px`);
  return element("div", { class: "map-frame" }, table);
}

function walked(event, key, choose) {
  const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
  if (step) {
    const { site, layer, head } = headParts(key);
    const next = `${site} ${layer + step[0]}.${head + step[1]}`;
    if (cells.has(next)) focusOn(next);
    event.preventDefault();
  } else if (event.key === "Enter" || event.key === " ") {
    choose(key, event.shiftKey);
    event.preventDefault();
  } else if (event.key.toLowerCase() === "c" && !event.ctrlKey && !event.metaKey) {
    choose(key, true);
    event.preventDefault();
  }
}

function focusOn(key) {
  reachable(key);
  cells.get(key).focus();
}

// one cell of all is in the order of the Tab key
function reachable(key) {
  for (const [name, cell] of cells) cell.tabIndex = name === key ? 0 : -1;
}

function colourMap(number) {
  coloured = number < 0 ? null : data.colourings[number];
  const scale = coloured && scaleOf(coloured.values, coloured.signed);
  const named = Object.fromEntries(data.families.map((family) => [family.name, family]));
  for (const [key, cell] of cells) {
    let colour = null, letter = "", words = "";
    if (coloured) {
      const value = coloured.values[key];
      if (value !== undefined) {
        colour = colourAt(scale, value);
        words = `${coloured.label} ${shown(value, 3)}`;
      } else words = `${coloured.label}: no value`;
    } else {
      const family = named[data.family[key] ?? "unclassified"];
      colour = data.family[key] ? family.colour : null;
      letter = family.letter;
      words = rolesInWords(key);
    }
    cell.style.backgroundColor = colour ?? "";
    cell.style.color = colour ? inkOn(colour) : "";
    cell.textContent = letter;
    cell.title = `head ${headName(key)}: ${words}`;
    cell.setAttribute("aria-label", cell.title);
  }
  drawLegend(scale);
}

function rolesInWords(key) {
  const roles = data.cards[key].roles ?? [];
  return roles.length ? roles.map((role) => role.role).join(", ") : "no role";
}

function drawLegend(scale) {
  const legend = byId("legend");
  legend.replaceChildren();
  if (!coloured) {
    for (const family of data.families) {
      const swatch = element("span", { class: "swatch", "aria-hidden": "true" }, family.letter);
      swatch.style.backgroundColor = family.name === "unclassified" ? "var(--empty)" : family.colour;
      swatch.style.color = family.name === "unclassified" ? "" : inkOn(family.colour);
      const name = family.name === "unclassified" ? "no role" : family.name;
      legend.append(element("span", {}, swatch, name));
    }
    return;
  }
  const ramp = element("span", { class: "ramp", "aria-hidden": "true" });
  ramp.style.background = `linear-gradient(to right, ${scale.stops.join(", ")})`;
  legend.append(element("span", {}, coloured.label), element("span", {}, shown(scale.low, 3), " ", ramp, " ", shown(scale.high, 3)),
    element("span", { class: "small" }, "grey: no value"));
}

function markChosen(heads) {
  for (const [key, cell] of cells) {
    cell.classList.toggle("chosen", heads.includes(key));
    cell.setAttribute("aria-selected", String(heads.includes(key)));
  }
}

// Dims what does not have the role, or does not match what is searched for.
function filterMap(role, text) {
  const wanted = text.trim().toLowerCase().split(/[\s,]+/).filter(Boolean);
  let left = 0;
  for (const [key, cell] of cells) {
    const roles = data.cards[key].roles ?? [];
    const names = [headName(key), key, ...roles.flatMap((one) => [one.role, one.family])].map((name) => String(name).toLowerCase());
    const has = role === "" || (role === "\u0000" ? roles.length === 0 : roles.some((one) => one.role === role));
    const matches = wanted.every((word) => /^\d+\.\d+$/.test(word) ? names.includes(word) : names.some((name) => name.includes(word)));
    cell.classList.toggle("dimmed", !(has && matches));
    left += has && matches;
  }
  byId("found").textContent = role === "" && !wanted.length ? "" : `${left} of ${cells.size} heads`;
}
