// WITHDRAWN.js appears beside this page only when the version is withdrawn, and calls this.
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
