// One head's attention in one document: as arcs, as a matrix, and as a list; over words or over tokens.

// The bytes of a document's patterns, unpacked once; they are inline, so nothing is asked for.
async function unpack(one) {
  const packed = Uint8Array.from(atob(one.bytes), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  one.bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  if (one.rules && typeof one.rules.bytes === "string") await unpack(one.rules);
}

function documentOf(number) {
  return data.examples.documents.find((one) => one.document === number);
}

function sidesOf(one, site) {
  const last = one.sides.length - 1;
  return { query: one.sides[site === "decoder" || site === "cross" ? last : 0], key: one.sides[site === "decoder" ? last : 0] };
}

// Where a head's attention stands among the heads that are kept of a document; -1 where it does not.
function placeOf(one, key) {
  const { site, layer, head } = headParts(key);
  const placed = one.patterns[site];
  if (!placed) return -1;
  const number = data.examples.sites[site].findIndex(([l, h]) => l === layer && h === head);
  return placed.heads === "all" ? number : placed.heads.indexOf(number);
}

// Attention of a head in a document where it is kept, token by token: rows attend to columns.
function patternOf(one, key) {
  const { site } = headParts(key);
  const [queries, keys] = one.shape[site];
  const start = one.patterns[site].at + placeOf(one, key) * queries * keys;
  return Array.from({ length: queries }, (_, q) => Array.from({ length: keys }, (_, k) => one.bytes[start + q * keys + k] / 255));
}

// What rules give a head's cells in a document where it is kept: by cell, then by query; null from what does not ask.
function rulesOf(one, key, cells) {
  const { site } = headParts(key);
  const side = sidesOf(one, site).query;
  const size = (data.examples.unit === "word" ? side.words : side.tokens).length;
  const place = data.examples.sites[site].findIndex(([layer, head]) => headParts(key).layer === layer && headParts(key).head === head);
  const start = one.rules.at[site] + place * (size + 2) * size;
  return cells.map((query) => cells.map((cell) => query.number >= size ? null : one.rules.bytes[start + cell.number * size + query.number] / data.examples.steps));
}

// The cells that rules are about: words or tokens, and the special ones as the first and all later ones together.
function cellsOfRules(side) {
  const size = (data.examples.unit === "word" ? side.words : side.tokens).length;
  const found = [];
  let first = true;
  for (const cell of cellsOf(side, data.examples.unit)) {
    const number = !cell.special ? (data.examples.unit === "word" ? cell.word : cell.tokens[0]) : first ? size : size + 1;
    const same = found.find((other) => cell.special && other.number === number);
    if (same) same.tokens.push(...cell.tokens);
    else found.push({ ...cell, tokens: [...cell.tokens], number });
    if (cell.special) first = false;
  }
  return found;
}

// Cells of a side: its tokens, or its words with the special tokens between them.
function cellsOf(side, unit) {
  const special = new Set(side.special);
  if (unit === "token") {
    return side.tokens.map((text, token) => ({ text, tokens: [token], word: side.word[token], special: special.has(token) }));
  }
  const found = [];
  side.word.forEach((word, token) => {
    const last = found[found.length - 1];
    if (word >= 0 && last && last.word === word) last.tokens.push(token);
    else if (word >= 0) found.push({ text: side.words[word], tokens: [token], word, special: false });
    else if (special.has(token)) found.push({ text: side.tokens[token], tokens: [token], word: -1, special: true });
  });
  return found;
}

// Mean over the tokens of the word that attends, sum over those of the word attended to.
function between(pattern, queries, keys) {
  return queries.map((query) => keys.map((key) =>
    query.tokens.reduce((sum, q) => sum + key.tokens.reduce((inner, k) => inner + pattern[q][k], 0), 0) / query.tokens.length));
}

// Pairs of cells that the role marks.
function goldOf(one, site, role, unit, queries, keys) {
  const flat = one.marks[site]?.[role] ?? [];
  const asWords = data.examples.roles[role] === "word";
  const found = [];
  for (let i = 0; i < flat.length; i += 2) {
    const at = (cells, number) => cells.flatMap((cell, place) =>
      (asWords ? cell.word === number : cell.tokens.includes(number)) ? [place] : []);
    for (const q of at(queries, flat[i])) for (const k of at(keys, flat[i + 1])) found.push([q, k]);
  }
  return found;
}

const LONGEST_WORD = 24;

function cut(text) {
  const letters = [...text];
  return letters.length > LONGEST_WORD ? letters.slice(0, LONGEST_WORD - 1).join("") + "…" : text;
}

const measure = document.createElement("canvas").getContext("2d");

function widthOf(text) {
  measure.font = "13px system-ui, sans-serif";
  return measure.measureText(text).width;
}

// Words on a line, arcs above it: from the word that attends to the word attended to, thicker for more.
function arcs(shown, least, picked, pick) {
  const { queries, keys, attention, gold, crossing } = shown;
  const lines = crossing ? [placed(queries), placed(keys)] : [placed(queries), placed(queries)];
  const width = Math.max(lines[0].width, lines[1].width);
  const marked = new Set(gold.map(([q, k]) => `${q} ${k}`));
  const drawn = [];
  attention.forEach((row, q) => row.forEach((value, k) => {
    if (value >= least && (picked === null || picked === q) && (crossing || q !== k)) drawn.push([q, k, value]);
  }));
  const shownGold = gold.filter(([q]) => picked === null || picked === q);
  const spans = crossing ? [0] : [...drawn, ...shownGold].map(([q, k]) => Math.abs(lines[0].at[q] - lines[0].at[k]));
  const high = crossing ? 110 : Math.min(190, 26 + Math.max(0, ...spans) * 0.28);
  const low = crossing ? 18 : Math.min(90, 24 + Math.max(0, ...shownGold.map(([q, k]) => Math.abs(lines[0].at[q] - lines[0].at[k]))) * 0.14);
  const top = crossing ? 20 : high + 8;
  const height = crossing ? top + high + 30 : top + 20 + (shownGold.length ? low : 4);
  const picture = drawing("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img",
    "aria-label": `arcs of ${shown.name} of ${least} or more; the same as a list below` });
  for (const [q, k, value] of drawn) {
    const from = lines[0].at[q], to = lines[1].at[k];
    const path = crossing ? `M${from} ${top + 4} C${from} ${top + high / 2} ${to} ${top + high / 2} ${to} ${top + high}`
      : bow(from, to, top - 14, -Math.min(high - 6, 16 + Math.abs(from - to) * 0.28));
    picture.append(drawing("path", { class: "arc", d: path, "stroke-width": (0.8 + 4.5 * value).toFixed(2), opacity: (0.25 + 0.75 * value).toFixed(2) },
      drawing("title", {}, `${queries[q].text} → ${keys[k].text}: ${value.toFixed(2)}${marked.has(`${q} ${k}`) ? " (gold)" : ""}`)));
    if (!crossing) picture.append(drawing("circle", { cx: to, cy: top - 13, r: 1.5 + 2 * value, fill: "var(--arc)" }));
  }
  for (const [q, k] of shownGold) {
    const from = lines[0].at[q], to = lines[1].at[k];
    const path = crossing ? `M${from} ${top + 4} L${to} ${top + high}` : bow(from, to, top + 6, Math.min(low - 8, 12 + Math.abs(from - to) * 0.14));
    picture.append(drawing("path", { class: "gold", d: path }, drawing("title", {}, `gold: ${queries[q].text} → ${keys[k].text}`)));
    picture.append(drawing("circle", { class: "gold-end", cx: to, cy: crossing ? top + high : top + 7, r: 2.6 }));
  }
  const write = (cells, line, y, asks) => cells.forEach((cell, place) => picture.append(drawing("text", {
    x: line.at[place], y, "text-anchor": "middle", class: `${cell.special ? "special" : ""}${asks ? " pick" : ""}${asks && picked === place ? " picked" : ""}`,
    onclick: asks ? () => pick(picked === place ? null : place) : null }, drawing("title", {}, cell.text), cut(cell.text))));
  write(queries, lines[0], crossing ? top - 4 : top, true);
  if (crossing) write(keys, lines[1], top + high + 16, false);
  return picture;
}

function bow(from, to, y, by) {
  return `M${from} ${y} C${from} ${y + by * 1.3} ${to} ${y + by * 1.3} ${to} ${y}`;
}

// Where each word stands on its line.
function placed(cells) {
  let x = 6;
  const at = cells.map((cell) => {
    const width = Math.max(widthOf(cut(cell.text)), 10);
    const centre = x + width / 2;
    x += width + 11;
    return centre;
  });
  return { at, width: x };
}

// Rows attend to columns; what the role marks has a frame.
function matrix(shown, most) {
  const { queries, keys, attention, gold } = shown;
  const side = Math.max(9, Math.min(20, Math.floor(460 / Math.max(queries.length, keys.length))));
  const left = Math.min(150, Math.max(...queries.map((cell) => widthOf(cut(cell.text))))) + 10;
  const top = Math.min(150, Math.max(...keys.map((cell) => widthOf(cut(cell.text))))) + 8;
  const [width, height] = [left + side * keys.length + 4, top + side * queries.length + 4];
  const picture = drawing("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `matrix of ${shown.name}, rows attend to columns; the same as a list below` });
  const scale = { low: 0, high: most, stops: data.sequential };
  attention.forEach((row, q) => row.forEach((value, k) => value !== null && picture.append(drawing("rect", { x: left + k * side, y: top + q * side, width: side - 1, height: side - 1, fill: colourAt(scale, value) },
    drawing("title", {}, `${queries[q].text} → ${keys[k].text}: ${value.toFixed(2)}`)))));
  for (const [q, k] of gold) picture.append(drawing("rect", { class: "gold-cell", x: left + k * side - 0.5, y: top + q * side - 0.5, width: side, height: side }));
  queries.forEach((cell, q) => picture.append(drawing("text", { x: left - 5, y: top + q * side + side * 0.75, "text-anchor": "end", class: cell.special ? "special" : "" }, cut(cell.text))));
  keys.forEach((cell, k) => picture.append(drawing("text", { x: 0, y: 0, transform: `translate(${left + k * side + side * 0.75} ${top - 5}) rotate(-90)`, class: cell.special ? "special" : "" }, cut(cell.text))));
  return picture;
}

// The largest attention of each word, in words.
function largest(pictures, picked) {
  const { queries, keys, attention, gold } = pictures[0];
  const marked = new Set(gold.map(([q, k]) => `${q} ${k}`));
  const rows = attention.flatMap((row, q) => row.map((value, k) => [q, k, value])).filter(([q, _, value]) => value !== null && (picked === null || picked === q));
  rows.sort((one, other) => other[2] - one[2]);
  const body = element("tbody", {}, ...rows.slice(0, 15).map(([q, k, value]) => element("tr", {}, element("td", {}, element("bdi", {}, cut(queries[q].text))),
    element("td", {}, element("bdi", {}, cut(keys[k].text))), ...pictures.map((one) => element("td", { class: "number" }, one.attention[q][k].toFixed(2))), element("td", {}, marked.has(`${q} ${k}`) ? "gold" : ""))));
  return element("details", {}, element("summary", {}, `The largest, by ${pictures[0].name}, as a list`),
    element("table", { class: "plain" }, element("thead", {}, element("tr", {}, ...["from", "to", ...pictures.map((one) => one.name), "marked"].map((name) => element("th", { scope: "col" }, name)))), body));
}
