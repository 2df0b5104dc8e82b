"use strict";
// The table of tracks: sorted by a column, narrowed down by a text; kept in the address, so that
// going back to it shows it as it was.
(() => {
  const table = document.getElementById("tracks");
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const filter = document.getElementById("filter");
  const warned = document.getElementById("warned");
  const compare = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" }).compare;
  const rows = [...body.rows].map((row) => ({
    row,
    warned: "warned" in row.dataset,
    text: `${[...row.cells].slice(1, 4).map((cell) => cell.textContent).join(" ")} ${row.dataset.text}`.toLowerCase(),
    keys: [...row.cells].map((cell) => cell.dataset.key ?? cell.textContent),
  }));
  const state = { column: 1, descending: false };

  // What isn't known comes last in either direction.
  function compareRows(one, other) {
    const [a, b] = [one.keys[state.column], other.keys[state.column]];
    if (a === "" || b === "") return (a === "") - (b === "");
    const order = heads[state.column].classList.contains("number") ? a - b : compare(a, b);
    return state.descending ? -order : order;
  }

  function sort() {
    rows.sort(compareRows);
    const fragment = document.createDocumentFragment();
    fragment.append(...rows.map((one) => one.row));
    body.append(fragment);
    heads.forEach((head, column) => {
      if (column === state.column) head.setAttribute("aria-sort", state.descending ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
  }

  function narrow() {
    const words = filter.value.toLowerCase().split(/\s+/);
    let shown = 0;
    for (const one of rows) {
      const visible = (one.warned || !warned.checked) && words.every((word) => one.text.includes(word));
      one.row.hidden = !visible;
      shown += visible;
    }
    document.getElementById("shown").textContent = `${shown} shown`;
    document.getElementById("none").hidden = shown > 0;
  }

  function remember() {
    const words = new URLSearchParams({ sort: (state.descending ? "-" : "") + state.column });
    if (filter.value) words.set("text", filter.value);
    if (warned.checked) words.set("warned", "1");
    location.replace(`#${words}`);
  }

  function recall() {
    const words = new URLSearchParams(location.hash.slice(1));
    const column = Math.abs(Number(words.get("sort")));
    if (column in heads && column > 0) Object.assign(state, { column, descending: words.get("sort").startsWith("-") });
    filter.value = words.get("text") ?? "";
    warned.checked = words.has("warned");
    if (words.has("sort")) sort();
    if (filter.value || warned.checked) narrow();
  }

  heads.forEach((head, column) => {
    head.querySelector("button")?.addEventListener("click", () => {
      // Numbers are most often asked for from the top.
      const first = head.classList.contains("number");
      state.descending = column === state.column ? !state.descending : first;
      state.column = column;
      sort();
      remember();
    });
  });
  for (const control of [filter, warned]) {
    control.addEventListener("input", () => {
      narrow();
      remember();
    });
  }
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.matches("input") || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    filter.focus();
  });

  recall();
})();
