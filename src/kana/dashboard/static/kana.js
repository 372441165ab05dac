// What makes pages pleasant. Every page works without it.
"use strict";

// A button with data-copy copies its text and says so.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  const label = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = label; }, 1500);
});

// A menu closes when something else is clicked, and on Escape, which gives the focus back.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.kana-details[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.kana-details[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// A select in a filter form answers at once.
document.addEventListener("change", (event) => {
  if (event.target.matches(".kana-filter select")) event.target.form.requestSubmit();
});

// A field with data-filter hides the rows of a table whose text does not hold what is typed.
document.addEventListener("input", (event) => {
  const field = event.target.closest("[data-filter]");
  if (!field) return;
  const wanted = field.value.toLowerCase();
  for (const row of document.querySelectorAll(`${field.dataset.filter} tbody tr`)) {
    row.hidden = !row.textContent.toLowerCase().includes(wanted);
  }
});
