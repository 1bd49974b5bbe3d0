// What a page is better with: the reader's time zone, copying, live update, keys. All works without.
"use strict";

const find = (selector, root = document) => [...root.querySelectorAll(selector)];
const status = document.getElementById("status");

// Times: from UTC text to the reader's zone; the exact time is in the title.
function localTimes(root = document) {
  const now = new Date();
  const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
  const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
  const year = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
  const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });
  for (const element of find("time[datetime]", root)) {
    const at = new Date(element.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    const date = at.toDateString() === now.toDateString() ? "Today"
      : (at.getFullYear() === now.getFullYear() ? day : year).format(at);
    element.title = `${exact.format(at)} (${element.textContent})`;
    element.textContent = `${date}, ${clock.format(at)}`;
  }
}

function copyButtons(root) {
  if (!navigator.clipboard) return;
  for (const button of find("[data-copy]", root)) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
        button.textContent = status.textContent = "Copied";
      } catch {
        button.textContent = status.textContent = "Select and copy it by hand";
      }
      setTimeout(() => { button.textContent = "Copy"; status.textContent = ""; }, 2000);
    });
  }
}

// Menus close on a click elsewhere and on Escape.
function menus() {
  const close = (except) => {
    for (const menu of find("details[data-menu][open]")) {
      if (!menu.contains(except)) menu.open = false;
    }
  };
  document.addEventListener("click", (event) => close(event.target));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const menu = document.activeElement?.closest("details[data-menu][open]");
    close(null);
    menu?.querySelector("summary").focus();
  });
}

// A filter takes effect when it is chosen; what is empty stays out of the address.
function filters() {
  for (const form of find("form[data-filters]")) {
    form.addEventListener("change", (event) => {
      if (event.target.matches("select")) form.requestSubmit();
    });
    form.addEventListener("submit", () => {
      for (const field of find("input, select", form)) field.disabled = field.value === "";
    });
    addEventListener("pageshow", () => {
      for (const field of find("input, select", form)) field.disabled = false;
    });
  }
}

// Keys: j and k go to the neighbouring sessions, y, n and s answer a question, / goes to the search.
function keys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select")) return;
    const target = find("[data-key]").find((element) => element.dataset.key === event.key);
    if (!target) return;
    event.preventDefault();
    if (target.matches("a, button")) target.click();
    else target.focus();
  });
}

// A click on Confirm, Reject or Add: the page is asked for, and the part that it changes replaced.
function inPlace() {
  const replace = (old, page) => {
    const fresh = page.getElementById(old.id);
    if (!fresh) { old.remove(); return null; }
    old.replaceWith(fresh);
    localTimes(fresh);
    copyButtons(fresh);
    return fresh;
  };
  const renew = async (part, address, options) => {
    const answer = await fetch(address, options);
    if (!answer.ok) throw new Error(answer.statusText);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = replace(part, page);
    find("[data-live]").forEach((old) => replace(old, page));
    document.dispatchEvent(new Event("reviewed"));
    return fresh;
  };
  document.addEventListener("submit", async (event) => {
    const button = event.submitter;
    const part = button?.closest("[data-part]");
    if (!part || button.form.hasAttribute("data-plain")) return;
    event.preventDefault();
    const fields = new FormData(button.form);
    if (button.name) fields.append(button.name, button.value);
    try {
      const about = fields.get("click").split(" ").slice(1, 3).join(" ");
      const fresh = await renew(part, button.form.action, { method: "POST", body: fields });
      const said = document.getElementById("said");
      status.textContent = said.querySelector("span")?.textContent ?? "";
      (fresh?.querySelector(`[name="click"][value$="${about}"]`) ?? said.querySelector("button"))
        ?.focus({ preventScroll: true });
    } catch {
      button.form.setAttribute("data-plain", ""); // sent as without scripts, which shows what is wrong
      button.form.requestSubmit(button);
    }
  });
  document.addEventListener("click", async (event) => {
    const link = event.target.closest("a[data-in-place]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    try {
      const fresh = await renew(link.closest("[data-part]"), link.href);
      fresh?.querySelector("select")?.focus({ preventScroll: true });
    } catch { location.href = link.href; }
  });
}

// Details that an address points to are opened.
function openTarget() {
  const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  if (target && target.matches("details")) target.open = true;
}

// Live update: ask now and then while somebody looks, and offer a refresh when there is news.
function pulse() {
  const source = document.querySelector("[data-pulse]");
  if (!source) return;
  const pill = document.getElementById("news");
  let first = null;
  let pause = 3000;

  const offer = (text) => {
    if (pill.hidden) status.textContent = text;
    pill.querySelector("span").textContent = `${text} – Refresh`;
    pill.hidden = false;
  };
  const compare = (now) => {
    if ("reload" in source.dataset) {
      if (now.interactions > 0) location.reload();
      return;
    }
    first ??= now;
    if (now.interactions > first.interactions) offer("New interactions");
    else if (now.events > first.events) offer("New events");
    else if (first.pending > 0 && now.pending === 0) offer("Detection is up to date");
  };
  const ask = async () => {
    if (!document.hidden) {
      try {
        const answer = await fetch(source.dataset.pulse, { redirect: "error" });
        if (answer.ok) { compare(await answer.json()); pause = 4000; } else pause = 30000;
      } catch {
        pause = Math.min(pause * 2, 60000); // the server is away: ask less often
      }
    }
    setTimeout(ask, pause);
  };
  document.addEventListener("visibilitychange", () => { pause = 3000; });
  document.addEventListener("reviewed", () => { first = null; }); // one's own click is no news
  setTimeout(ask, 500);
}

// A draft of an event is tried out while it is typed; the button asks at once.
function previews() {
  for (const box of find("[data-preview]")) {
    const form = box.closest("form");
    let timer, request;
    const ask = async (more) => {
      clearTimeout(timer);
      request?.abort();
      const mine = request = new AbortController();
      const fields = new FormData(form);
      for (const name of ["part", ...more]) fields.append(name, "1");
      box.setAttribute("aria-busy", "true");
      try {
        const answer = await fetch(box.dataset.preview, { method: "POST", body: fields, signal: mine.signal, redirect: "error" });
        if (answer.ok) {
          box.innerHTML = (await answer.text()).trim();
          localTimes(box);
          status.textContent = box.querySelector("[data-summary], .problem")?.textContent ?? "";
        }
      } catch { /* another one is under way, or the server is away: what is shown stays */ }
      if (mine === request) box.removeAttribute("aria-busy");
    };
    form.addEventListener("input", (event) => {
      clearTimeout(timer);
      if (event.target.name === "apply" || !form.elements.description.value.trim()) return;
      timer = setTimeout(ask, 500, ["live"]);
    });
    form.querySelector("[data-try]").addEventListener("click", (event) => {
      event.preventDefault();
      ask([]);
    });
  }
}

localTimes();
copyButtons();
previews();
menus();
filters();
keys();
inPlace();
openTarget();
addEventListener("hashchange", openTarget);
pulse();
