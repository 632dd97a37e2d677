// Runs before the first paint: Swagger UI has a dark look of its own, for whoever has the portal or the system dark.
(function () {
  "use strict";
  var root = document.documentElement;
  var dark = window.matchMedia("(prefers-color-scheme: dark)");
  function follow() {
    var chosen = root.dataset.theme;
    root.classList.toggle("dark-mode", chosen === "dark" || (chosen === "auto" && dark.matches));
  }
  follow();
  dark.addEventListener("change", follow);
})();
