"use strict";
const field = document.querySelector("input[type=search]");
const found = document.querySelector("#found");
field?.addEventListener("input", () => {
  const sought = field.value.trim().toLowerCase();
  let count = 0;
  for (const block of document.querySelectorAll("details.rows")) {
    let here = 0;
    for (const row of block.querySelectorAll("tbody tr")) {
      row.hidden = !row.textContent.toLowerCase().includes(sought);
      here += row.hidden ? 0 : 1;
    }
    block.open = sought !== "" && here > 0;
    count += here;
  }
  found.textContent = sought === "" ? "" : count + " found";
});
