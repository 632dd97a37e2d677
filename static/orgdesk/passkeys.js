// Forms that a passkey or security key answers: <form data-passkey="login|authenticate|add">.
// webauthn-json.js (from django-allauth) turns the server's JSON into what the browser wants and back.
(function () {
  "use strict";

  function options(form) {
    if (form.dataset.optionsUrl) {
      return fetch(form.dataset.optionsUrl, { headers: { Accept: "application/json" } }).then(
        function (answer) {
          if (!answer.ok) throw new Error("no options: " + answer.status);
          return answer.json();
        }
      );
    }
    return Promise.resolve(JSON.parse(document.getElementById(form.dataset.options).textContent));
  }

  function create(form, data) {
    var alone = form.elements.passwordless ? form.elements.passwordless.checked : false;
    var wish = data.creation_options.publicKey.authenticatorSelection;
    wish.residentKey = alone ? "required" : "discouraged";
    wish.requireResidentKey = alone;
    if (alone) wish.userVerification = "required";
    return window.webauthnJSON.create(data.creation_options);
  }

  function ask(form, data) {
    if (form.dataset.passkey === "add") return create(form, data);
    return window.webauthnJSON.get(data.request_options);
  }

  function wire(form) {
    var button = form.querySelector("button[type=submit]");
    var problem = form.querySelector("[data-passkey-problem]");
    button.disabled = false;
    form.addEventListener("submit", function (event) {
      event.preventDefault(); // form.submit() below does not come by here again
      problem.hidden = true;
      button.disabled = true;
      options(form)
        .then(function (data) {
          return ask(form, data);
        })
        .then(function (credential) {
          form.elements.credential.value = JSON.stringify(credential);
          form.submit();
        })
        .catch(function () {
          problem.hidden = false;
          button.disabled = false;
        });
    });
  }

  function start() {
    if (!window.webauthnJSON || !window.webauthnJSON.supported()) return;
    document.querySelectorAll("form[data-passkey]").forEach(wire);
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
