// Conveniences. Every page works without them.
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

// A menu closes on a click outside it, and on Escape, which returns the focus.
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

// A select in a filter form submits it at once.
document.addEventListener("change", (event) => {
  if (event.target.matches(".kana-filter select")) event.target.form.requestSubmit();
});

// A field with data-filter hides the rows of a table that do not contain the typed text.
document.addEventListener("input", (event) => {
  const field = event.target.closest("[data-filter]");
  if (!field) return;
  const wanted = field.value.toLowerCase();
  for (const row of document.querySelectorAll(`${field.dataset.filter} tbody tr`)) {
    row.hidden = !row.textContent.toLowerCase().includes(wanted);
  }
});

// What is typed in a row with data-ticks ticks the box of that name, so that it is not forgotten.
document.addEventListener("input", (event) => {
  const row = event.target.closest("[data-ticks]");
  const box = row?.querySelector(`[name="${row.dataset.ticks}"]`);
  if (box && event.target !== box && event.target.value) box.checked = true;
});
