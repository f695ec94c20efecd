// The language switch works without this; here it only tells the document and remembers the choice.
for (const choice of document.querySelectorAll("input[name=language]")) {
  choice.addEventListener("change", () => {
    document.documentElement.lang = choice.id;
    try { localStorage.setItem("citycheck-language", choice.id); } catch { /* not allowed from file:// */ }
  });
}
try {
  const kept = localStorage.getItem("citycheck-language");
  if (kept === "en" || location.hash === "#en") document.getElementById("en").click();
} catch { /* not allowed from file:// */ }

const search = document.getElementById("search");
const found = document.getElementById("found");
const rows = [...document.querySelectorAll("#community-table tbody tr")].map((row) => [
  row,
  [...row.cells].slice(0, 3).map((cell) => cell.textContent).join(" ").toLowerCase(),
]);
search.addEventListener("input", () => {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const [row, text] of rows) {
    row.hidden = !words.every((word) => text.includes(word));
    shown += row.hidden ? 0 : 1;
  }
  found.textContent = shown;
});
