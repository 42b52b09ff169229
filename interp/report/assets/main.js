// What is chosen, and what is drawn of it.

let chosen = [];
let comparing = false;

function choose(key, beside = false) {
  if ((beside || comparing) && chosen.length && chosen[0] !== key) chosen = [chosen[0], key];
  else if (chosen.length === 2 && !beside) chosen = [chosen[0] === key ? chosen[1] : chosen[0], key];
  else chosen = [key];
  comparing = false;
  drawCards();
  reachable(key);
  byId("said").textContent = `Head ${headName(key)}: ${rolesInWords(key)}`;
}

function drawCards() {
  markChosen(chosen);
  const actions = {
    comparing: () => comparing,
    compare: (event) => { comparing = !comparing; event.target.setAttribute("aria-pressed", String(comparing)); event.target.textContent = comparing ? "Now choose the other" : "Compare with another"; },
    close: (key) => { chosen = chosen.filter((one) => one !== key); drawCards(); focusOn(chosen[0]); },
  };
  byId("cards").replaceChildren(...chosen.map((key) => cardOf(key, chosen.length, actions)));
  redraws = chosen.map((key, place) => () => {
    const old = byId("cards").children[place].querySelector(".examples");
    if (!old) return;
    const next = examplesOf(key);
    keepFocus(old, next, () => old.replaceWith(next));
  });
}

function fillControls() {
  const colour = byId("colour");
  if (Object.keys(data.family).length || !data.colourings.length) colour.append(element("option", { value: "-1" }, "family of the best role"));
  const groups = new Map();
  data.colourings.forEach((one, number) => {
    if (!groups.has(one.group)) groups.set(one.group, element("optgroup", { label: one.group }));
    groups.get(one.group).append(element("option", { value: number }, one.label));
  });
  colour.append(...groups.values());
  colour.addEventListener("change", () => colourMap(Number(colour.value)));
  const role = byId("role");
  const names = [...new Set(Object.values(data.cards).flatMap((card) => (card.roles ?? []).map((one) => one.role)))].sort();
  if (!names.length) role.parentElement.remove();
  role.append(element("option", { value: "" }, "any role or none"), ...names.map((name) => element("option", { value: name }, name)), element("option", { value: "\u0000" }, "no role"));
  const filter = () => filterMap(role.value, byId("search").value);
  role.addEventListener("change", filter);
  byId("search").addEventListener("input", filter);
  colourMap(Number(colour.value));
}

function sayWhatItIs() {
  byId("title").textContent = data.title;
  const [verdict, ...rest] = data.summary;
  if (verdict) byId("summary").append(element("p", { class: "verdict" }, verdict));
  if (rest.length) byId("summary").append(element("details", {}, element("summary", {}, "Summary"), element("pre", { tabindex: "0" }, rest.join("\n"))));
  const facts = data.facts.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, element("bdi", {}, value))]);
  byId("facts").append(element("dl", {}, ...facts));
  if (data.examples) byId("facts").append(element("p", { class: "small" }, `Examples: ${data.examples.rule}. Attention is kept to 1/255.`));
  if (data.notes.length) byId("facts").append(element("h3", {}, "Notes"), element("ul", {}, ...data.notes.map((note) => element("li", {}, note))));
}

function setTheme(name) {
  document.documentElement.dataset.theme = name;
  byId("theme").textContent = name === "dark" ? "Light" : "Dark";
}

async function begin() {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  setTheme(dark.matches ? "dark" : "light");
  dark.addEventListener("change", () => setTheme(dark.matches ? "dark" : "light"));
  byId("theme").addEventListener("click", () => setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
  sayWhatItIs();
  listTables();
  if (Object.keys(data.cards).length) {
    await Promise.all((data.examples?.documents ?? []).map(unpack));
    drawMaps(choose);
    fillControls();
    choose(data.first);
  } else {
    byId("heads").remove();
    byId("chosen").remove();
  }
  document.body.dataset.drawn = "";
}

begin();
