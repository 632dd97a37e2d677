// Runs before the first paint: whoever follows the system's theme never sees the other one flash.
(function () {
  "use strict";
  var root = document.documentElement;
  var dark = window.matchMedia("(prefers-color-scheme: dark)");
  function follow() {
    if (root.dataset.theme === "auto") root.dataset.bsTheme = dark.matches ? "dark" : "light";
  }
  root.classList.add("js");
  follow();
  dark.addEventListener("change", follow);
})();
