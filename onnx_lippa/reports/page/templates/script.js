"use strict";
// Filters and sorts the tables of inputs. Without script the tables are whole, in their order.
for (const table of document.querySelectorAll("table.inputs")) {
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const form = table.closest("section").querySelector("form.filter");
  const said = form.querySelector("output");
  const texts = rows.map((row) => row.textContent.toLowerCase());

  const filter = () => {
    const { text, verdict, label } = form.elements;
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, place) => {
      const fits =
        (!verdict.value || row.dataset.verdict === verdict.value) &&
        (!label.value || row.dataset.label === label.value) &&
        words.every((word) => texts[place].includes(word));
      row.hidden = !fits;
      shown += fits;
    });
    said.value = `${shown} of ${rows.length} shown`;
  };

  const key = (row, column) => {
    const cell = row.cells[column];
    const text = cell.dataset.value ?? cell.textContent;
    if (text === "" || text === "–") return null;
    const number = Number(text);
    return Number.isNaN(number) ? text : number;
  };
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));

  for (const head of table.tHead.rows[0].cells) {
    // Not a <button>: Chromium leaves those out of a head that is repeated on each printed page.
    const button = document.createElement("span");
    button.role = "button";
    button.tabIndex = 0;
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        button.click();
      }
    });
    button.addEventListener("click", () => {
      const column = head.cellIndex;
      const sign = head.ariaSort === "ascending" ? -1 : 1;
      for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      const keyed = rows.map((row) => [key(row, column), row]);
      keyed.sort(([a], [b]) => {
        if (a === null || b === null) return (a === null) - (b === null); // none comes last
        return sign * compare(a, b);
      });
      body.append(...keyed.map(([, row]) => row));
    });
  }
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  filter();
}
