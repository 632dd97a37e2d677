// Everything the pages do on their own. Without it they still work: links lead to pages, forms are sent.
(function () {
  "use strict";

  var words = function (key) {
    var holder = document.getElementById("words");
    return (holder && holder.dataset[key]) || "";
  };

  // --- Toasts ---------------------------------------------------------------------------------

  // {text, level: "success" | "warning" | "danger", reload: true to offer loading the page again}
  function toast(message) {
    var region = document.getElementById("toasts");
    if (!region || !message.text) return;
    var box = document.createElement("div");
    box.className = "toast show toast-" + (message.level || "success");
    var text = document.createElement("div");
    text.className = "toast-text";
    text.textContent = message.text;
    box.append(text);
    if (message.reload) {
      var again = document.createElement("button");
      again.type = "button";
      again.className = "btn btn-sm";
      again.textContent = words("reload");
      again.addEventListener("click", function () { window.location.reload(); });
      box.append(again);
    }
    var close = document.createElement("button");
    close.type = "button";
    close.className = "btn-close";
    close.setAttribute("aria-label", words("close"));
    close.addEventListener("click", function () { box.remove(); });
    box.append(close);
    region.replaceChildren(box);
    if (!message.reload) window.setTimeout(function () { box.remove(); }, 6000);
  }

  // A server says something without drawing it: HX-Trigger: {"toast": {"text": …, "level": …}}
  document.addEventListener("toast", function (event) { toast(event.detail); });

  function failed(key, number) {
    var text = words(key) + (number ? " " + words("number") + " " + number : "");
    toast({ text: text, level: "danger", reload: true });
  }

  document.addEventListener("htmx:responseError", function (event) {
    var status = event.detail.xhr.status;
    if (status === 401) failed("signedOut");
    else if (status === 403) failed("forbidden");
    else if (status === 404) failed("gone");
    else failed("failed", event.detail.xhr.getResponseHeader("X-Request-ID"));
  });
  document.addEventListener("htmx:sendError", function () { failed("offline"); });
  document.addEventListener("htmx:timeout", function () { failed("late"); });

  // An answer that is a whole page (a sign-in asked for on the way) replaces the page, not a piece of it.
  document.addEventListener("htmx:beforeSwap", function (event) {
    var answer = event.detail.serverResponse || "";
    if (/^\s*<!doctype html/i.test(answer) && !event.detail.requestConfig.boosted) {
      event.detail.shouldSwap = false;
      window.location.reload();
    }
  });

  // --- Focus ----------------------------------------------------------------------------------

  // Whoever works by keyboard goes on where they were: on the same control as it is drawn anew, or,
  // where it has gone, on the piece of the page that was exchanged. Never on one that does something else.
  var left = null;
  function deed(one) {
    return [one.tagName, one.name, one.type, one.href, one.form && one.form.action].join("|");
  }
  function leave(event) {
    var piece = event.detail.target, one = document.activeElement;
    if (!piece || !piece.id || !one || !piece.contains(one)) return;
    left = { piece: piece.id, tag: one.tagName, deed: deed(one) };
  }
  document.addEventListener("htmx:beforeSwap", leave);
  document.addEventListener("htmx:oobBeforeSwap", leave);  // rows of lists are exchanged this way
  document.addEventListener("htmx:afterSettle", function (event) {
    var was = left, now = document.activeElement, piece = was && document.getElementById(was.piece);
    if (!piece || !piece.contains(event.target)) return;
    left = null;
    if (now && now !== document.body) return;
    var next = Array.from(piece.querySelectorAll(was.tag)).find(function (one) {
      return one.tabIndex >= 0 && deed(one) === was.deed;
    });
    if (!next) piece.tabIndex = -1;
    (next || piece).focus({ preventScroll: true });
  });

  // What was wrong with a form is what its reader goes on with.
  document.addEventListener("DOMContentLoaded", function () {
    var wrong = document.querySelector("main .is-invalid");
    if (wrong && document.activeElement === document.body) wrong.focus();
  });

  // The browser's "back" shows a page as it was before something was changed on it: its parts that can
  // change by themselves (hx-trigger="backAgain from:body") are drawn anew.
  window.addEventListener("pageshow", function (event) {
    var way = window.performance.getEntriesByType("navigation")[0];
    if (!event.persisted && !(way && way.type === "back_forward")) return;
    document.body.dispatchEvent(new CustomEvent("backAgain"));
  });

  // --- Loading --------------------------------------------------------------------------------

  var waiting = 0;
  function busy(change) {
    waiting = Math.max(0, waiting + change);
    document.documentElement.classList.toggle("is-busy", waiting > 0);
  }
  function quiet(event) { return event.target.closest && event.target.closest("[data-quiet]"); }
  document.addEventListener("htmx:beforeRequest", function (event) { if (!quiet(event)) busy(1); });
  document.addEventListener("htmx:afterRequest", function (event) { if (!quiet(event)) busy(-1); });

  // <button data-copy="id"> copies the text of what has that id; where that is not allowed, it chooses it.
  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-copy]");
    var from = button && document.getElementById(button.dataset.copy);
    if (!from) return;
    var choose = function () { window.getSelection().selectAllChildren(from); };
    if (!navigator.clipboard) { choose(); return; }
    navigator.clipboard.writeText(from.textContent).then(function () {
      toast({ text: words("copied") });
    }, choose);
  });

  // A form marked data-once is sent once, however often its button is pressed.
  document.addEventListener("submit", function (event) {
    var form = event.target;
    if (!form.matches("[data-once]") || event.defaultPrevented) return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "yes";
    if (event.submitter) event.submitter.classList.add("btn-loading");
  });
  window.addEventListener("pageshow", function () {
    document.querySelectorAll("form[data-sent]").forEach(function (form) { delete form.dataset.sent; });
    document.querySelectorAll(".btn-loading").forEach(function (b) { b.classList.remove("btn-loading"); });
  });

  // A field marked data-when="how:list" is asked for where the field "how" of its form ends with ":list",
  // one marked data-unless="how:list" where it does not.
  function askFor(form) {
    form.querySelectorAll("[data-when], [data-unless]").forEach(function (field) {
      var rule = (field.dataset.when || field.dataset.unless).split(":"), by = form.elements[rule[0]];
      var met = Boolean(by) && by.value.endsWith(":" + rule[1]);
      var row = field.closest(".mb-3");
      if (row) row.hidden = met !== Boolean(field.dataset.when) && !field.matches(".is-invalid");
    });
  }
  function askForAll() { document.querySelectorAll("form:has([data-when])").forEach(askFor); }
  document.addEventListener("change", function (event) {
    if (event.target.form && event.target.form.querySelector("[data-when]")) askFor(event.target.form);
  });
  document.addEventListener("DOMContentLoaded", askForAll);
  window.addEventListener("pageshow", askForAll);

  // --- Cells in which a role is chosen ------------------------------------------------------------

  // A field's name ends with the role that the page was drawn with.
  function isEdited(cell) { return cell.value !== cell.name.split(".").slice(3).join("."); }
  function edited() { return Array.from(document.querySelectorAll(".cell-role")).filter(isEdited); }
  function countEdits() {
    var count = edited().length;
    document.querySelectorAll(".cell-role").forEach(function (cell) {
      cell.classList.toggle("is-edited", isEdited(cell));
    });
    document.querySelectorAll("[data-edit-count]").forEach(function (line) {
      var many = line.dataset.many.replace("%s", String(count));
      line.textContent = count === 0 ? line.dataset.none : count === 1 ? line.dataset.one : many;
    });
  }
  document.addEventListener("change", function (event) {
    if (event.target.matches(".cell-role")) countEdits();
  });
  document.addEventListener("DOMContentLoaded", countEdits);
  window.addEventListener("pageshow", countEdits);
  document.addEventListener("htmx:afterSettle", countEdits);

  // --- Navigation, menus ----------------------------------------------------------------------

  document.addEventListener("click", function (event) {
    var toggle = event.target.closest("[data-toggle-navigation]");
    if (toggle) {
      var shown = document.getElementById("navigation").classList.toggle("show");
      toggle.setAttribute("aria-expanded", String(shown));
    }
    document.querySelectorAll("details.menu[open]").forEach(function (menu) {
      if (!menu.contains(event.target)) menu.open = false;
    });
  });

  // A row of tabs that is wider than a phone shows the one at hand.
  document.addEventListener("DOMContentLoaded", function () {
    document.querySelectorAll(".nav-tabs .nav-link.active, .usage-ranges .view-tab.active").forEach(function (tab) {
      var row = tab.closest(".nav-tabs, .usage-ranges");
      row.scrollLeft = tab.offsetLeft - (row.clientWidth - tab.offsetWidth) / 2;
    });
  });

  document.addEventListener("keydown", function (event) {
    if (event.key !== "Escape") return;
    document.querySelectorAll("details.menu[open]").forEach(function (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    });
  });

  // "/" goes to the element that says so, unless the reader is writing.
  document.addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select, [contenteditable], dialog[open]")) return;
    var wanted = document.querySelector('[data-shortcut="' + CSS.escape(event.key) + '"]');
    if (!wanted) return;
    event.preventDefault();
    if (wanted.matches("input")) { wanted.focus(); wanted.select(); } else wanted.click();
  });

  // --- Dialogs --------------------------------------------------------------------------------

  // <a href="/a/page/with/a/form" data-dialog> shows that page's [data-dialog-content] over this one.
  document.addEventListener("click", function (event) {
    var link = event.target.closest("a[data-dialog]");
    if (!link || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey) return;
    var dialog = document.getElementById("dialog");
    if (!dialog || !dialog.showModal) return;
    event.preventDefault();
    open(dialog, link);
  });

  function open(dialog, link) {
    busy(1);
    fetch(link.href, { credentials: "same-origin", headers: { Accept: "text/html" } })
      .then(function (answer) { return answer.text(); })
      .then(function (html) {
        var page = new DOMParser().parseFromString(html, "text/html");
        var content = page.querySelector("[data-dialog-content]");
        if (!content) { window.location.assign(link.href); return; }
        var heading = page.querySelector("h1");
        var title = document.createElement("h2");
        title.id = "dialog-title";
        title.className = "dialog-title";
        title.textContent = heading ? heading.textContent.trim() : "";
        dialog.replaceChildren(title, document.adoptNode(content));
        dialog.showModal();
        if (window.htmx) window.htmx.process(dialog);
      })
      .catch(function () { window.location.assign(link.href); })
      .finally(function () { busy(-1); });
  }

  document.addEventListener("click", function (event) {
    var dialog = document.getElementById("dialog");
    if (!dialog || !dialog.open) return;
    if (event.target === dialog || event.target.closest("[data-dialog-close]")) {
      event.preventDefault();
      dialog.close();
    }
  });

  // --- Selecting rows -------------------------------------------------------------------------

  // A form[data-selection] holds checkboxes named "id"; what depends on the choice is marked within it.
  function count(form) {
    var boxes = Array.from(form.querySelectorAll('input[name="id"]'));
    var chosen = boxes.filter(function (box) { return box.checked; }).length;
    var every = form.querySelector("[data-select-page]");
    if (every) {
      every.checked = boxes.length > 0 && chosen === boxes.length;
      every.indeterminate = chosen > 0 && chosen < boxes.length;
    }
    var all = form.querySelector("[data-select-matching]");
    var whole = Boolean(every && every.checked);
    if (all && !whole) all.checked = false;
    var offer = form.querySelector("[data-matching]");
    if (offer) offer.hidden = !whole;
    form.classList.toggle("has-selection", chosen > 0);
    form.querySelectorAll("[data-chosen]").forEach(function (spot) {
      spot.textContent = all && all.checked ? all.dataset.total : String(chosen);
    });
    boxes.forEach(function (box) {
      var row = box.closest("tr");
      if (row) row.classList.toggle("is-chosen", box.checked);
    });
  }

  var lastBox = null;
  document.addEventListener("click", function (event) {
    var box = event.target;
    if (!box.matches || !box.matches('form[data-selection] input[name="id"]')) return;
    var form = box.form;
    if (event.shiftKey && lastBox && lastBox.form === form) {
      var boxes = Array.from(form.querySelectorAll('input[name="id"]'));
      var ends = [boxes.indexOf(box), boxes.indexOf(lastBox)].sort(function (a, b) { return a - b; });
      boxes.slice(ends[0], ends[1] + 1).forEach(function (other) { other.checked = box.checked; });
    }
    lastBox = box;
  });

  document.addEventListener("change", function (event) {
    var input = event.target;
    var form = input.form && input.form.matches("[data-selection]") ? input.form : null;
    if (form) {
      if (input.matches("[data-select-page]")) {
        form.querySelectorAll('input[name="id"]').forEach(function (box) { box.checked = input.checked; });
      }
      count(form);
    }
    // A form marked data-auto is sent as soon as one of its fields changes.
    if (input.form && input.form.matches("[data-auto]") && !input.form.hasAttribute("hx-get")) {
      input.form.requestSubmit();
    }
  });

  document.addEventListener("click", function (event) {
    if (!event.target.closest("[data-clear-selection]")) return;
    var form = event.target.closest("form[data-selection]");
    form.querySelectorAll('input[type="checkbox"]').forEach(function (box) { box.checked = false; });
    count(form);
  });

  function countAll() { document.querySelectorAll("form[data-selection]").forEach(count); }
  document.addEventListener("htmx:afterSettle", countAll);
  document.addEventListener("DOMContentLoaded", countAll);
  window.addEventListener("pageshow", countAll);
})();
