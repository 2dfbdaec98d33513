// Sorts and filters the table of students. Without it the table is whole, in the order of the students' names.
"use strict";
const table = document.getElementById("table");
const rows = [...table.tBodies[0].rows];
const heads = [...table.tHead.rows[0].cells];
const field = (name) => document.getElementById(name);
const texts = rows.map((row) => row.cells[0].textContent.toLowerCase());

for (const [column, head] of heads.entries()) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...head.childNodes);
  head.append(button);
  button.addEventListener("click", () => sort(column, head));
}

function sort(column, head) {
  const number = head.dataset.sort === "number";
  const first = number ? "descending" : "ascending";
  const other = number ? "ascending" : "descending";
  const order = head.getAttribute("aria-sort") === first ? other : first;
  for (const each of heads) each.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", order);
  const value = (row) => (number ? Number(row.cells[column].dataset.value) : row.cells[column].textContent.toLowerCase());
  const keys = new Map(rows.map((row, place) => [row, [value(row), place]]));
  const sign = order === "ascending" ? 1 : -1;
  const sorted = [...rows].sort((one, two) => {
    const [a, i] = keys.get(one);
    const [b, j] = keys.get(two);
    const least = number ? a - b : a.localeCompare(b, undefined, { numeric: true });
    return sign * least || i - j; // equal ones stay in the order of their names
  });
  table.tBodies[0].append(...sorted);
}

function matches(row, cells) {
  const show = field("show").value;
  if (show === "need") return "need" in row.dataset;
  if (show === "missing") return cells.some((cell) => cell.dataset.kind === "missing");
  if (show === "ours") return cells.some((cell) => cell.classList.contains("ours"));
  if (show === "full") return cells.every((cell) => cell.classList.contains("passed"));
  return true;
}

function filter() {
  const words = field("find").value.trim().toLowerCase();
  const section = field("section")?.value ?? "";
  const exercise = field("exercise").value;
  let seen = 0;
  for (const [place, row] of rows.entries()) {
    const cells = [...row.cells].slice(2);
    const chosen = exercise === "" ? cells : [cells[Number(exercise)]];
    const fits = texts[place].includes(words) && (!section || row.dataset.section === section) && matches(row, chosen);
    row.hidden = !fits;
    seen += fits;
  }
  field("count").textContent = `${seen} of ${rows.length} students`;
}

document.querySelector(".controls").hidden = false;
for (const name of ["find", "section", "show", "exercise"]) field(name)?.addEventListener("input", filter);
filter();
