// Keeps a page up to date: every three seconds its content is fetched anew, unless somebody is typing in it, has
// opened something, or is not looking. Without JavaScript the page works and is reloaded by hand.
"use strict";
const main = document.querySelector("main[data-live]");
const stale = document.getElementById("stale");

function busy() {
  const focus = document.activeElement;
  const typing = focus && main.contains(focus) && focus.matches("input, select, textarea, button, summary, pre");
  return document.hidden || typing || main.querySelector("details[open]") || String(getSelection());
}

async function refresh() {
  if (!busy()) {
    try {
      const answer = await fetch(location.href, { credentials: "same-origin" });
      if (!answer.ok) throw new Error(answer.statusText);
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
      if (!busy() && fresh.innerHTML !== main.innerHTML) {
        const link = document.activeElement && document.activeElement.getAttribute("href");
        main.replaceChildren(...fresh.childNodes);
        const again = link && [...main.querySelectorAll("a")].find((one) => one.getAttribute("href") === link);
        if (again) again.focus();
      }
      stale.hidden = true;
    } catch {
      stale.hidden = false;
    }
  }
  setTimeout(refresh, 3000);
}

if (main) setTimeout(refresh, 3000);
document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-filter]");
  if (form && event.target.matches("select")) form.requestSubmit();
});
