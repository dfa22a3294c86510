"use strict";
// A click on a column's head sorts the rows by it: first up, then down. Figures count as numbers, dashes come last.
for (const table of document.querySelectorAll("table:not(.plain)")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const value = (row, column) => {
    const words = row.cells[column].firstChild?.textContent.trim() ?? "";
    return heads[column].classList.contains("number") ? parseFloat(words.replace(/,/g, "")) : words;
  };
  const order = (one, other) => (typeof one === "string" ? one.localeCompare(other) : one - other);
  for (const [column, head] of heads.entries()) {
    if (!head.textContent.trim() || body.rows.length < 3) continue;
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const each of heads) each.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].map((row) => [value(row, column), row]);
      const known = rows.filter(([each]) => !Number.isNaN(each)).sort(([one], [other]) => order(one, other));
      if (down) known.reverse();
      const missing = rows.filter(([each]) => Number.isNaN(each));
      body.append(...[...known, ...missing].map(([, row]) => row));
    });
  }
}
