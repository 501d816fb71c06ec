// Keeps a page up to date: fetches its content every three seconds, unless the user is typing in it, has opened
// something, or the page is hidden. Without JavaScript the page works and is reloaded by hand.
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
      const response = await fetch(location.href, { credentials: "same-origin" });
      if (!response.ok) throw new Error(response.statusText);
      const fresh = new DOMParser().parseFromString(await response.text(), "text/html").querySelector("main");
      if (!busy() && fresh.innerHTML !== main.innerHTML) {
        const link = document.activeElement && document.activeElement.getAttribute("href");
        main.replaceChildren(...fresh.childNodes);
        const same = link && [...main.querySelectorAll("a")].find((anchor) => anchor.getAttribute("href") === link);
        if (same) same.focus();
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
