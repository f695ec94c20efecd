"use strict";
// Airflow's UI keeps the colours that were chosen in it here; the page is one of its own.
const theme = localStorage.getItem("theme");
if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;

document.addEventListener("DOMContentLoaded", () => {
  // Airflow shows the pages in a frame that may not lead its window elsewhere; its own pages open in the window itself.
  for (const link of window.top === window ? [] : document.querySelectorAll("a[data-top]")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      const opened = window.top.document.createElement("a");
      opened.href = link.href;
      opened.click();
    });
  }
  const search = document.getElementById("search");
  if (!search) return;
  const rows = [...document.querySelectorAll("tbody tr")].map((row) => [row, row.textContent.toLowerCase()]);
  const sections = [...document.querySelectorAll("section")];
  search.addEventListener("input", () => {
    const words = search.value.toLowerCase().split(/\s+/);
    for (const [row, text] of rows) row.hidden = !words.every((word) => text.includes(word));
    for (const section of sections) section.hidden = !section.querySelector("tbody tr:not([hidden])");
    document.getElementById("nothing").hidden = sections.some((section) => !section.hidden);
  });
});
