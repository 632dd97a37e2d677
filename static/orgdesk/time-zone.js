// Proposes the browser's own time zone in <select data-guess-time-zone>, unless one was chosen already.
(function () {
  "use strict";
  function guess() {
    var zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    document.querySelectorAll("select[data-guess-time-zone]").forEach(function (select) {
      if (select.value !== "UTC") return;
      var known = Array.from(select.options).some(function (option) { return option.value === zone; });
      if (known) select.value = zone;
    });
  }
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", guess);
  else guess();
})();
