// Opens everything for print, and sorts and filters the page's table. Without this script the page is complete.
(() => {
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    closed.forEach((details) => (details.open = true));
  });
  addEventListener("afterprint", () => closed.forEach((details) => (details.open = false)));

  const table = document.getElementById("rows-table");
  if (!table) return;
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const heads = [...table.tHead.rows[0].cells];
  const controls = document.getElementById("controls");
  const words = document.getElementById("filter-text");
  const selects = [...controls.querySelectorAll("select")];
  const count = document.getElementById("row-count");
  const texts = rows.map((row) => row.textContent.toLowerCase());

  const filter = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, index) => {
      row.hidden =
        !wanted.every((word) => texts[index].includes(word)) ||
        selects.some(({ value, dataset }) => value !== "" && row.dataset[dataset.filter] !== value);
      shown += !row.hidden;
    });
    count.textContent = `${shown} of ${rows.length} rows`;
  };

  const key = (row, column) => row.cells[column].title || row.cells[column].textContent.trim();
  const compare = (a, b, numeric) => {
    const [missingA, missingB] = [a === "–", b === "–"];
    // Missing values stay last in both directions.
    if (missingA || missingB) return { last: missingA - missingB };
    return { order: numeric ? a - b : a.localeCompare(b, undefined, { numeric: true }) };
  };
  const sort = (column) => {
    const head = heads[column];
    const descending = head.getAttribute("aria-sort") === "ascending";
    heads.forEach((other) => other.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const numeric = head.classList.contains("number");
    const sorted = [...body.rows].sort((a, b) => {
      const { last, order } = compare(key(a, column), key(b, column), numeric);
      return last ?? (descending ? -order : order);
    });
    body.append(...sorted);
  };

  heads.forEach((head, column) => {
    const button = head.querySelector("button");
    button.disabled = false;
    button.addEventListener("click", () => sort(column));
  });
  [words, ...selects].forEach((control) => control.addEventListener("input", filter));
  controls.addEventListener("reset", () => setTimeout(filter));
  controls.addEventListener("submit", (event) => event.preventDefault());
  controls.hidden = false;
  filter();
})();
