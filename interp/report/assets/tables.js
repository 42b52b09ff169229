// Every table of the run, each sorted by any column; made when it is opened.

function listTables() {
  for (const table of data.tables) {
    const place = element("div");
    const made = element("details", { "data-table": table.name, ontoggle: () => { if (made.open && !place.childNodes.length) place.append(sortable(table)); } },
      element("summary", {}, table.name, element("span", { class: "small" }, ` ${table.what}; all in ${table.file}`)), place);
    byId("table-list").append(made);
  }
}

function sortable(table) {
  const order = table.rows.map((_, place) => place);
  const isNumber = table.columns.map((_, column) => table.rows.every((row) => row[column] === null || typeof row[column] === "number"));
  // the numbers of one column have as many digits each
  const isWhole = table.columns.map((_, column) => table.rows.every((row) => row[column] === null || Number.isInteger(row[column])));
  const written = (cell, column) => cell === null ? "" : typeof cell !== "number" ? String(cell) : isWhole[column] ? whole(cell) : shown(cell, 4);
  const body = element("tbody");
  const heads = table.columns.map((name, column) => element("th", { scope: "col", class: isNumber[column] ? "number" : "" },
    element("button", { type: "button", onclick: () => sortBy(column) }, name)));
  const fill = () => body.replaceChildren(...order.map((place) => element("tr", {}, ...table.rows[place].map((cell, column) =>
    element("td", { class: isNumber[column] ? "number" : "" }, written(cell, column))))));
  function sortBy(column) {
    const down = heads[column].getAttribute("aria-sort") === "ascending";
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[column].setAttribute("aria-sort", down ? "descending" : "ascending");
    const sign = down ? -1 : 1;
    order.sort((one, other) => {
      const [a, b] = [table.rows[one][column], table.rows[other][column]];
      // what has no value comes last either way
      if (a === null || b === null) return (a === null) - (b === null) || one - other;
      return (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b))) * sign || one - other;
    });
    fill();
  }
  fill();
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `table ${table.name}` },
    element("table", { class: "plain" }, element("thead", {}, element("tr", {}, ...heads)), body));
}
