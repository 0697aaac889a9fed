// Keeps a page fresh, filters its rows, lets timers run and listens to keys. Every page works without it.
"use strict";
(() => {
  const rough = (seconds) => {
    if (seconds < 60) return `${seconds} s`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
    if (seconds < 172800) return `${Math.floor(seconds / 3600)} h`;
    return `${Math.floor(seconds / 86400)} d`;
  };
  const clock = (seconds) => {
    if (seconds >= 86400) return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
    const two = (number) => String(number).padStart(2, "0");
    const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
    return hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
  };
  const main = document.getElementById("main");
  const filter = document.getElementById("filter");
  const live = document.getElementById("live");
  document.querySelector(".tools").hidden = false;

  // Timers.
  const tick = (which) => {
    const now = Date.now();
    for (const time of main.querySelectorAll(which)) {
      const seconds = Math.round((Date.parse(time.dateTime) - now) / 1000);
      const text = "until" in time.dataset ? (seconds > 0 ? `in ${clock(seconds)}` : "now") : `${rough(Math.max(0, -seconds))} ago`;
      if (time.textContent !== text) time.textContent = text;
    }
  };
  setInterval(() => document.hidden || tick("time[data-until]"), 1000);
  setInterval(() => document.hidden || tick("time[data-age]"), 15000);

  // The filter: rows that hold every word stay. Its text is part of the address.
  let said;
  let left = "";
  const apply = (aloud) => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    const rows = main.querySelectorAll("[data-row]");
    for (const row of rows) {
      const heading = words.length ? (row.closest("[data-section]")?.querySelector("h2")?.textContent ?? "") : "";
      const text = words.length ? `${row.textContent} ${heading}`.toLowerCase() : "";
      row.hidden = !words.every((word) => text.includes(word));
      shown += row.hidden ? 0 : 1;
    }
    for (const section of main.querySelectorAll("[data-section]")) {
      const own = section.querySelectorAll("[data-row]");
      section.hidden = words.length > 0 && own.length > 0 && [...own].every((row) => row.hidden);
    }
    left = words.length ? `${shown} of ${rows.length} rows` : "";
    if (!aloud) return;
    // Once the typing has ended; a page that is made fresh meanwhile takes nothing of it back.
    clearTimeout(said);
    said = setTimeout(() => { live.textContent = left; }, 300);
  };
  filter.addEventListener("input", () => {
    const address = new URL(location.href);
    if (filter.value) address.searchParams.set("q", filter.value); else address.searchParams.delete("q");
    history.replaceState(null, "", address);
    apply(true);
  });

  // Keys.
  const visible = () => [...main.querySelectorAll("[data-row]")].filter((row) => row.getClientRects().length);
  const move = (step) => {
    const rows = visible();
    if (!rows.length) return;
    const before = rows.findIndex((row) => row.classList.contains("is-current"));
    const at = before < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, before + step));
    main.querySelectorAll(".is-current").forEach((row) => row.classList.remove("is-current"));
    rows[at].classList.add("is-current");
    const target = rows[at].matches("[data-open]") ? rows[at] : rows[at].querySelector("[data-open], [tabindex]");
    target?.focus({ preventScroll: true });
    rows[at].scrollIntoView({ block: "nearest" });
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.matches("input, select, textarea");
    if (event.key === "Escape") {
      if (event.target === filter && filter.value) {
        filter.value = "";
        filter.dispatchEvent(new Event("input"));
        event.preventDefault();
      } else {
        event.target.blur();
        main.querySelectorAll(".is-current").forEach((row) => row.classList.remove("is-current"));
      }
    } else if (event.key === "Enter" && event.target === filter) {
      filter.blur();
      move(1);
      event.preventDefault();
    } else if (typing) {
      return;
    } else if (event.key === "/") {
      filter.focus();
      filter.select();
      event.preventDefault();
    } else if (event.key === "j" || event.key === "k") {
      move(event.key === "j" ? 1 : -1);
      event.preventDefault();
    }
  });

  // Live updates: what happened is told, and the page is fetched again, at most every other second.
  let count = Number(document.body.dataset.count);
  let [last, pending, wanted, late] = [0, null, false, null];
  const LOST = "No connection to the service: this may be out of date";
  const found = () => {
    clearTimeout(late);
    late = null;
    if (live.textContent === LOST) live.textContent = "";
  };
  const isBusy = () => main.querySelector("details[open]") || (main.contains(document.activeElement) && document.activeElement.matches("input, select, textarea"));
  const refresh = async () => {
    pending = null;
    if (document.hidden || isBusy()) { wanted = true; return; }
    wanted = false;
    last = Date.now();
    let page;
    try {
      const answer = await fetch(location.href, { credentials: "same-origin" });
      if (!answer.ok) return;
      page = new DOMParser().parseFromString(await answer.text(), "text/html");
    } catch { return; }
    found();
    const fresh = page.getElementById("main");
    if (!fresh || isBusy()) { wanted = true; return; }
    count = Number(page.body.dataset.count);
    document.body.dataset.count = count;
    const open = document.activeElement?.closest?.("main [href]")?.getAttribute("href");
    main.replaceChildren(...fresh.childNodes);
    apply(false);
    tick("time[data-until]");
    if (open) {
      const again = [...main.querySelectorAll("[href]")].find((link) => link.getAttribute("href") === open);
      again?.focus({ preventScroll: true });
      again?.closest("[data-row]")?.classList.add("is-current");
    }
  };
  const soon = () => { pending ??= setTimeout(refresh, Math.max(0, last + 2000 - Date.now())); };
  document.addEventListener("visibilitychange", () => { if (!document.hidden && wanted) soon(); });
  document.addEventListener("focusout", () => { if (wanted) soon(); });
  document.addEventListener("toggle", () => { if (wanted) soon(); }, true);
  const listen = () => {
    const events = new EventSource("/events");
    // A number below the page's own is of a service that has begun anew, or of another replica.
    const seen = (event) => { if (Number(event.lastEventId) !== count) soon(); };
    events.addEventListener("open", found);
    events.addEventListener("hello", seen);
    events.addEventListener("configured", seen);
    events.addEventListener("began", seen);
    events.addEventListener("pass", (event) => {
      const pass = JSON.parse(event.data);
      const commits = pass.commits ? `, ${pass.commits} ${pass.commits === 1 ? "commit" : "commits"}` : "";
      // A pass that changed nothing is no news.
      if (pass.commits || pass.result !== "done") live.textContent = `${pass.name}: pass ${pass.result}${commits}`;
      seen(event);
    });
    // Connections end now and then, and begin anew by themselves; a refusal ends it for good: then the page asks now and then.
    events.addEventListener("error", () => {
      late ??= setTimeout(() => { live.textContent = LOST; }, 10000);
      if (events.readyState !== EventSource.CLOSED) return;
      soon();
      setTimeout(listen, 30000);
    });
    addEventListener("pagehide", () => events.close(), { once: true });
    addEventListener("pageshow", (event) => { if (event.persisted) listen(); }, { once: true });
  };
  if (filter.value) apply(true);
  tick("time[data-until]");
  // What an order came to, or a login, is no page that changes by itself.
  if (document.querySelector("nav [aria-current]")) listen();
})();
