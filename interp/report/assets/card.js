// What there is to say of one head.

function cardOf(key, count, actions) {
  const { site, layer, head } = headParts(key);
  const about = data.cards[key];
  const made = element("article", { class: "card", "data-card": key, "aria-label": `head ${headName(key)}` });
  const name = severalSites ? `Head ${headName(key)}` : `Head ${layer}.${head}`;
  const buttons = element("span", {},
    count === 1 ? element("button", { type: "button", "aria-pressed": String(actions.comparing()), onclick: actions.compare }, "Compare with another") : null,
    count === 2 ? element("button", { type: "button", onclick: () => actions.close(key) }, "Close") : null);
  made.append(element("div", { class: "card-head" }, element("h3", {}, name, element("span", { class: "small" }, ` (layer ${layer}, head ${head}, counted from 0)`)), buttons));
  made.append(...rolesOf(about), ...madeOf(about), ...effectsOf(about), ...numbersOf(about));
  if (about.offsets) made.append(offsetsOf(about));
  if (data.examples) made.append(examplesOf(key));
  return made;
}

function plainTable(columns, rows) {
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `table: ${columns[0]}` },
    element("table", { class: "plain" }, element("thead", {}, element("tr", {}, ...columns.map((name) => element("th", { scope: "col" }, name)))),
      element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map((cell) => element("td", {}, cell)))))));
}

function rolesOf(about) {
  if (about.roles) {
    const rows = about.roles.map((role) => [definedName(role), `${shown(role[role.statistic])} ${role.statistic}`, `${shown(role.baseline)} ${role.baseline_name ?? ""}`,
      `${shown(role.lift)}${interval(role.ci_low, role.ci_high)}`, shown(role.p, 3), shown(role.q, 3), whole(role.n), shown(role.stability),
      role.guess_pos ? `${shown(role.lift_pos)}${interval(role.lift_pos_low, role.lift_pos_high)} (${role.guess_pos})` : "–"]);
    const columns = ["role", "hit or mass", "baseline", "lift [95 %]", "p", "q", "n", "stability", "over the annotation baseline"];
    return [element("h4", {}, "Roles (held-out split)"), plainTable(columns, rows)];
  }
  if (about.near) {
    const rows = about.near.map((role) => [role.role, `${shown(role.lift)}${interval(role.ci_low, role.ci_high)}`, shown(role.q, 3)]);
    return [element("h4", {}, "No role; it comes nearest to"), plainTable(["role", "lift [95 %]", "q"], rows)];
  }
  return [];
}

function madeOf(about) {
  const of = about.made_of;
  if (!of) return [];
  const rows = of.shares.map(([rule, family, share, low, high, where, n]) => [rule, family, `${shown(share)}${interval(low, high)}`, shown(where), whole(n)]);
  return [element("h4", {}, `What its attention is made of (rules explain ${shown(of.explained)}${interval(of.ci_low, of.ci_high)})`),
    element("p", { class: "small" }, of.card), plainTable(["rule", "family", "share [95 %]", "where it applies", "queries"], rows)];
}

function definedName(role) {
  const card = data.definitions[role.definition];
  if (!card) return role.role;
  const parts = Object.entries(card).filter(([, text]) => text).flatMap(([name, text]) => [element("dt", {}, name), element("dd", {}, text)]);
  return element("details", {}, element("summary", {}, role.role), element("div", { class: "small" }, role.definition), element("dl", {}, ...parts));
}

function effectsOf(about) {
  if (!about.effects) return [];
  const rows = about.effects.map((effect) => [`${effect.ablation}, ${effect.metric}`, `${shown(effect.effect, 4)}${interval4(effect.ci_low, effect.ci_high)}`,
    shown(effect.q, 3), shown(effect.intact, 3), shown(effect.ablated, 3), whole(effect.n)]);
  return [element("h4", {}, "What ablating it costs (positive: the head helped)"), plainTable(["ablation, metric", "effect [95 %]", "q", "intact", "ablated", "documents"], rows)];
}

function interval4(low, high) {
  return low === null || high === null ? "" : ` [${shown(low, 4)}, ${shown(high, 4)}]`;
}

function numbersOf(about) {
  const parts = (about.numbers ?? []).flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, shown(value))]);
  const measured = (about.measured ?? []).flatMap(([name, value, low, high]) => [element("dt", {}, name), element("dd", {}, `${shown(value, 3)}${interval(low, high)}`)]);
  return parts.length + measured.length ? [element("h4", {}, "Numbers"), element("dl", {}, ...parts, ...measured)] : [];
}

// Bars of attention by how far the key is from the query.
function offsetsOf(about) {
  const offsets = about.offsets;
  const most = Math.max(...offsets.map(([, value]) => value), 0.01);
  const [step, high] = [22, 70];
  const width = offsets.length * step + 34;
  const picture = drawing("svg", { width, height: high + 38, viewBox: `0 0 ${width} ${high + 38}`, role: "img",
    "aria-label": `attention by offset: largest ${most.toFixed(2)} at ${offsets.find(([, value]) => value === most)?.[0] ?? "none"}` });
  picture.append(drawing("text", { class: "axis", x: 0, y: 10 }, most.toFixed(2)), drawing("text", { class: "axis", x: 0, y: high + 4 }, "0"));
  offsets.forEach(([offset, value], place) => {
    const tall = (value / most) * (high - 4);
    const x = 30 + place * step;
    picture.append(drawing("rect", { class: value === most ? "bar most" : "bar", x, y: high - tall, width: step - 4, height: Math.max(tall, 0.5) }, drawing("title", {}, `offset ${offset}: ${value.toFixed(3)}`)));
    picture.append(drawing("text", { class: "axis", x: x + (step - 4) / 2, y: high + 16, "text-anchor": "middle" }, offset > 0 ? `+${offset}` : offset < 0 ? `−${-offset}` : "0"));
  });
  picture.append(drawing("text", { class: "axis", x: 30, y: high + 32 }, "tokens from the query to the key"));
  return element("div", {}, element("h4", {}, `Attention by offset (mean over ${about.offsets_of})`), element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "attention by offset" }, picture));
}

// What is set for all cards alike, so that two heads are seen in the same document.
const view = { document: null, unit: "word", picture: "arcs", least: 0.1, role: null, show: "attention" };

function examplesOf(key) {
  const made = element("div", { class: "examples" });
  const own = data.examples.own[key];
  const state = { picked: undefined, document: null };
  const redraw = () => keepFocus(made, made, () => made.replaceChildren(...exampleParts(key, own, state, redraw)));
  redraw();
  return made;
}

function exampleParts(key, own, state, redraw) {
  const { site } = headParts(key);
  const kept = data.examples.documents.filter((one) => placeOf(one, key) >= 0);
  const single = data.examples.documents.length === 1;
  const title = element("h4", {}, single ? "Attention in this document" : "Attention in example documents");
  if (!kept.length) return [title, element("p", { class: "small" }, "No example is kept of this head.")];
  const isKept = (number) => kept.some((one) => one.document === number);
  // two heads are shown in the same document, where one is kept of both
  const ofBoth = kept.find((one) => chosen.every((other) => placeOf(one, other) >= 0))?.document;
  const first = chosen.length > 1 && ofBoth !== undefined ? ofBoth : own?.documents[0]?.[0] ?? kept[0].document;
  state.document = [view.document, state.document, first].find(isKept);
  const one = documentOf(state.document);
  const marks = Object.keys(one.marks[site] ?? {});
  const role = view.role !== null && marks.includes(view.role) ? view.role : own && marks.includes(own.role) && view.role === null ? own.role : "";
  const sides = sidesOf(one, site);
  // rules stand beside attention over the cells that they are about
  const hasRules = one.rules !== undefined && site in one.rules.at;
  const show = hasRules ? view.show : "attention";
  const unit = show === "attention" ? view.unit : data.examples.unit;
  const queries = show === "attention" ? cellsOf(sides.query, unit) : cellsOfRules(sides.query);
  const keys = show === "attention" ? cellsOf(sides.key, unit) : queries;
  // a sentence with a query begins there
  if (state.picked === undefined) state.picked = data.query === null ? null : nullIf(-1, queries.findIndex((cell) => cell.word === data.query));
  const about = { queries, keys, crossing: site === "cross", gold: role ? goldOf(one, site, role, unit, queries, keys) : [] };
  // of special tokens, which rules say nothing about, attention is left out beside them
  const asks = (row, q) => show !== "attention" && queries[q].special ? row.map(() => null) : row;
  const pictures = [];
  if (show !== "rules") pictures.push({ ...about, name: "attention", attention: between(patternOf(one, key), queries, keys).map(asks) });
  if (show !== "attention") pictures.push({ ...about, name: "rules", attention: rulesOf(one, key, queries) });
  const change = (name, value) => { view[name] = value; state.picked = null; for (const other of redraws) other(); };
  const controls = element("div", { class: "controls" },
    single ? null : element("label", {}, "Document ", documentChoice(kept, own, state)),
    hasRules ? element("label", {}, "Show ", choice([["attention", "attention"], ["rules", "what rules give"], ["both", "both"]], show, (value) => change("show", value))) : null,
    show !== "attention" ? null : element("label", {}, "Over ", choice([["word", "words"], ["token", "tokens"]], view.unit, (value) => change("unit", value))),
    element("label", {}, "As ", choice([["arcs", "arcs"], ["matrix", "matrix"]], view.picture, (value) => change("picture", value))),
    element("label", {}, "From ", choice([["", "every word"], ...queries.map((cell, place) => [String(place), cut(cell.text)]).filter((_, place) => show === "attention" || !queries[place].special)], state.picked === null ? "" : String(state.picked),
      (value) => { state.picked = value === "" ? null : Number(value); redraw(); })),
    marks.length === 0 ? null : element("label", {}, "Mark ", choice([["", "nothing"], ...marks.map((name) => [name, name])], role, (value) => change("role", value))),
    element("label", {}, "At least ", choice([0.02, 0.05, 0.1, 0.2, 0.3, 0.5].map((value) => [String(value), value.toFixed(2)]), String(view.least), (value) => change("least", Number(value)))));
  const most = Math.max(0.01, ...pictures.flatMap((each) => each.attention.flat()));
  const drawn = pictures.map((each) => view.picture === "arcs" ? arcs(each, view.least, state.picked, (place) => { state.picked = place; redraw(); }) : matrix(each, most));
  const named = drawn.length === 1 ? drawn : drawn.map((picture, place) => element("figure", {}, element("figcaption", { class: "small" }, pictures[place].name), picture));
  const words = [];
  if (own) words.push(`${own.assigned ? "Its role" : "Ranked by the role it comes nearest to"}, ${own.role}.`);
  const placed = own?.documents.find(([number]) => number === state.document);
  if (placed) words.push(`This document is among its ${placed[1]}: ${placed[2].toFixed(2)} of the attention of ${placed[3]} ${placed[3] === 1 ? "query" : "queries"} is on targets.`);
  if (role) words.push(`Dashed: what ${role} marks (${about.gold.length}).`);
  if (show !== "attention") words.push(`Rules, with their strengths for this head, share out the attention of each ${unit} (kept to 1/${data.examples.steps}). Special tokens ask nothing, and those after the first are one.`);
  else if (!hasRules && data.examples.with_rules) words.push(`What rules give is on this page for ${data.examples.with_rules} other ${data.examples.with_rules === 1 ? "document" : "documents"}.`);
  words.push("Special tokens are shown; arcs of a word to itself are not.");
  return [title, controls, element("p", { class: "text-line", dir: "auto" }, one.text || "(drawn tokens)"),
    element("div", { class: "scroll picture", tabindex: "0", role: "region", "aria-label": `${pictures.map((each) => each.name).join(" and ")} of head ${headName(key)}` }, ...named),
    element("p", { class: "small" }, words.join(" ")), largest(pictures, state.picked)];
}

let redraws = [];

// The control that has the focus has it again once it is drawn anew, so that keys can go on.
function keepFocus(old, next, draw) {
  const held = old.contains(document.activeElement) ? document.activeElement.closest("label")?.firstChild.textContent : undefined;
  draw();
  if (held !== undefined) [...next.querySelectorAll("label")].find((label) => label.firstChild.textContent === held)?.querySelector("select").focus();
}

function nullIf(none, value) {
  return value === none ? null : value;
}

function choice(options, value, changed) {
  const made = element("select", { onchange: (event) => changed(event.target.value) });
  for (const [given, text] of options) made.append(element("option", { value: given, selected: given === value }, text));
  return made;
}

function documentChoice(kept, own, state) {
  const made = element("select", { onchange: (event) => { view.document = Number(event.target.value); for (const other of redraws) other(); } });
  const begin = (one) => cut(one.text || `document ${one.document}`);
  const option = (one) => element("option", { value: one.document, selected: one.document === state.document }, `${one.document}: ${begin(one)}`);
  for (const place of ["highest", "median", "lowest"]) {
    const here = (own?.documents ?? []).filter((row) => row[1] === place).map((row) => documentOf(row[0])).filter(Boolean);
    if (here.length) made.append(element("optgroup", { label: `${place} of ${own.role}` }, ...here.map(option)));
  }
  const listed = new Set((own?.documents ?? []).map((row) => row[0]));
  const shared = kept.filter((one) => !listed.has(one.document));
  if (shared.length) made.append(element("optgroup", { label: "drawn at random, every head" }, ...shared.map(option)));
  return made;
}
