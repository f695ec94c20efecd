// Puts the page together: language first, then the place that the address names, then what is further down.
"use strict";

(() => {
  const { on, tell, state } = citycheck;
  const root = document.documentElement;

  function speak(language) {
    state.language = language;
    root.lang = language;
    document.title = root.dataset[language === "zh" ? "titleZh" : "titleEn"];
  }
  for (const choice of document.querySelectorAll("input[name=language]")) {
    choice.addEventListener("change", () => {
      speak(choice.id);
      try { localStorage.setItem("citycheck-language", choice.id); } catch { /* not allowed from file:// */ }
      tell("language");
    });
  }
  let language = "zh";
  try { language = localStorage.getItem("citycheck-language") ?? language; } catch { /* not allowed from file:// */ }
  if (new URLSearchParams(location.search).get("lang") === "en") language = "en";
  if (language === "en") document.getElementById("en").checked = true;
  speak(language === "en" ? "en" : "zh");

  /** What is further down is drawn when there is nothing else to do. */
  function below() {
    citycheck.ledger.filters();
    citycheck.ledger.ledger();
    citycheck.projects.filters();
    citycheck.projects.show();
    citycheck.ledger.promises();
    citycheck.ledger.needs();
  }

  on("place", () => { citycheck.place.show(); citycheck.ledger.promises(); citycheck.ledger.needs(); });
  on("measure", citycheck.ledger.mapTable);
  on("language", () => { citycheck.place.show(); below(); citycheck.ledger.mapTable(); });
  window.addEventListener("hashchange", () => {
    const at = citycheck.fromAddress();
    if (at == null) return;
    citycheck.choose(at);
    document.getElementById("place").scrollIntoView();
  });

  const asked = citycheck.fromAddress();
  state.place = asked ?? 0;
  citycheck.map.start();
  citycheck.place.show();
  if (asked) tell("place");
  (window.requestIdleCallback ?? setTimeout)(below);
  window.addEventListener("beforeprint", () => {
    for (const more of document.querySelectorAll(".lacking + details")) more.open = true;
    citycheck.map.resize(686, 380);
    citycheck.charts.resize(320);
  });
  window.addEventListener("afterprint", () => { citycheck.map.resize(); citycheck.charts.resize(); });
})();
