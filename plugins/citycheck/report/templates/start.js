// Read before the page is drawn, so that nothing moves or changes its language afterwards.
document.documentElement.classList.add("has-script");

// WITHDRAWN.js appears beside the page only when the version is withdrawn, and calls this.
function citycheckWithdrawn(told) {
  const banner = document.getElementById("withdrawn");
  for (const place of banner.querySelectorAll("[data-of]")) place.textContent = told[place.dataset.of] ?? "–";
  if (told.superseded_by != null) {
    const link = banner.querySelector("a");
    link.textContent = `第 ${told.superseded_by} 版 version ${told.superseded_by}`;
    link.href = `../${encodeURIComponent(told.superseded_by)}/index.html`;
    document.getElementById("superseded").hidden = false;
  }
  banner.hidden = false;
}
