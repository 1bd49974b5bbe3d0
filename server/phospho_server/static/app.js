// What a page is better with: the reader's time zone, copying, live update, keys. All works without.
"use strict";

const find = (selector, root = document) => [...root.querySelectorAll(selector)];
const status = document.getElementById("status");

// Times: from UTC text to the reader's zone and clock, with dates as the server writes them; the
// exact time is in the title.
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

function localTimes(root = document) {
  const now = new Date();
  const year = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
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

// Charts: bars of hours in the reader's zone, and all bars of a chart one stop of the Tab key.
function charts(root = document) {
  const hour = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const local = (element, label) => {
    if (!element.dataset.at) return label;
    const at = new Date(element.dataset.at);
    return `${label.includes(" ") ? `${day.format(at)} ` : ""}${hour.format(at)}`;
  };
  for (const text of find(".chart text[data-at]", root)) text.textContent = local(text, text.textContent);
  for (const zone of find("[data-zone]", root)) zone.textContent = `in ${hour.resolvedOptions().timeZone}`;
  for (const chart of find(".chart", root)) {
    const bars = find(".bar", chart);
    for (const bar of bars) {
      const title = bar.querySelector("title"); // shown by us, so not by the browser too
      const [label, value] = title.textContent.split(": ");
      title.remove();
      bar.setAttribute("aria-label", `${local(bar, label)}: ${value}`);
      bar.setAttribute("role", bar.matches("a") ? "link" : "img");
      bar.setAttribute("tabindex", bar === bars.at(-1) ? 0 : -1);
    }
  }
}

function tips() {
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  tip.ariaHidden = "true"; // the bar says the same by itself
  document.body.append(tip);
  const hide = () => { tip.hidden = true; };
  const show = (event) => {
    const bar = event.target.closest?.(".bar[aria-label]");
    if (!bar) return hide();
    const [label, value] = bar.getAttribute("aria-label").split(": ");
    const number = document.createElement("b");
    number.textContent = value;
    tip.replaceChildren(number, label);
    tip.hidden = false;
    const over = bar.getBoundingClientRect();
    const drawn = bar.lastElementChild.matches(".hit") ? over.bottom : bar.lastElementChild.getBoundingClientRect().top;
    const left = over.left + over.width / 2 - tip.offsetWidth / 2;
    tip.style.left = `${Math.max(4, Math.min(left, document.documentElement.clientWidth - tip.offsetWidth - 4))}px`;
    tip.style.top = `${Math.max(4, drawn - tip.offsetHeight - 8)}px`;
  };
  for (const kind of ["pointerover", "focusin"]) document.addEventListener(kind, show);
  document.addEventListener("focusout", hide);
  document.addEventListener("scroll", hide, { capture: true, passive: true });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hide();
    const bar = event.target.closest?.(".bar");
    if (!bar) return;
    const bars = find(".bar", bar.closest("svg"));
    const to = { ArrowLeft: bars.indexOf(bar) - 1, ArrowRight: bars.indexOf(bar) + 1, Home: 0, End: bars.length - 1 }[event.key];
    if (!bars[to]) return;
    event.preventDefault();
    bar.setAttribute("tabindex", -1);
    bars[to].setAttribute("tabindex", 0);
    bars[to].focus();
  });
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

// The project drop-down: narrowed while typing, walked by the arrow keys.
function projects() {
  const menu = document.querySelector(".menu");
  if (!menu) return;
  const field = menu.querySelector("[data-narrow]");
  const links = () => find("li:not([hidden]) a", menu);
  menu.addEventListener("toggle", () => {
    if (menu.open && field && matchMedia("(pointer: fine)").matches) field.focus();
  });
  field?.addEventListener("input", () => {
    const words = field.value.trim().toLocaleLowerCase();
    for (const row of find("li", menu)) row.hidden = !row.textContent.toLocaleLowerCase().includes(words);
  });
  field?.form.addEventListener("submit", (event) => {
    if (links().length !== 1) return; // the server looks among all of them
    event.preventDefault();
    links()[0].click();
  });
  menu.addEventListener("keydown", (event) => {
    if (!["ArrowDown", "ArrowUp"].includes(event.key) || event.target.id === "new-project") return;
    event.preventDefault();
    menu.open = true;
    const stops = [field ?? menu.querySelector("summary"), ...links()];
    const at = stops.indexOf(event.target) + (event.key === "ArrowDown" ? 1 : -1);
    stops[Math.max(0, Math.min(at, stops.length - 1))].focus();
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
      fresh?.querySelector("textarea, select")?.focus({ preventScroll: true });
    } catch { location.href = link.href; }
  });
}

// Details that an address points to are opened.
function openTarget() {
  const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  if (target && target.matches("details")) target.open = true;
}

// The parts of a page that are marked for it are replaced by what the server shows now; what was
// open stays open, and what is being looked at stays where it is.
async function renew() {
  const answer = await fetch(location.href, { redirect: "error" });
  if (!answer.ok) throw new Error(answer.statusText);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const parts = find("[data-renew]");
  const seen = parts.find((part) => part.getBoundingClientRect().bottom > 0);
  const top = seen?.getBoundingClientRect().top;
  for (const part of parts) {
    const fresh = page.getElementById(part.id);
    if (!fresh) continue;
    for (const details of find("details[open][id]", part)) fresh.querySelector(`#${details.id}`)?.setAttribute("open", "");
    const numbers = find(".figure-value", part).map((number) => number.textContent);
    find(".figure-value", fresh).forEach((number, place) => {
      number.classList.toggle("changed", number.textContent !== numbers[place]);
    });
    part.replaceWith(fresh);
    localTimes(fresh);
    charts(fresh);
  }
  if (seen) scrollBy(0, document.getElementById(seen.id).getBoundingClientRect().top - top);
}

// Live update: ask now and then while somebody looks; renew what is marked for it, or offer to.
function pulse() {
  const source = document.querySelector("[data-pulse]");
  if (!source) return;
  const pill = document.getElementById("news");
  const isRenewing = "renewing" in source.dataset;
  let first = null;
  let pause = 3000;
  let renewedAt = performance.now();
  let hasSaid = false;
  let asking = new AbortController();
  let quietUntil = 0;

  const offer = (text) => {
    if (pill.hidden) status.textContent = text;
    pill.querySelector("span").textContent = `${text} – Refresh`;
    pill.hidden = false;
  };
  const newsIn = (now) => {
    if (now.interactions > first.interactions) return "New interactions";
    if (now.events > first.events) return "New events";
    if (now.firing !== first.firing) return "Alerts have changed";
    return first.pending > 0 && now.pending === 0 ? "Detection is up to date" : null;
  };
  const show = async (now) => {
    await renew();
    [first, pill.hidden, renewedAt] = [now, true, performance.now()];
    if (!hasSaid) status.textContent = "The dashboard shows what is new by itself";
    hasSaid = true;
  };
  const compare = async (now) => {
    if (source.dataset.reload) {
      if (now.interactions > 0) location.assign(source.dataset.reload);
      return;
    }
    first ??= now;
    const text = newsIn(now);
    if (!text) return;
    const isBusy = document.querySelector("[data-renew]:focus-within, .bar:hover");
    const isTime = performance.now() - renewedAt > 10000;
    if (isRenewing && isTime && !isBusy) await show(now);
    else if (!isRenewing || isBusy || !hasSaid) offer(text); // who has seen it happen can wait
  };
  const ask = async () => {
    if (!document.hidden && performance.now() > quietUntil) {
      try {
        const options = { redirect: "error", signal: asking.signal };
        const answer = await fetch(source.dataset.pulse, options);
        if (answer.ok) { await compare(await answer.json()); pause = 4000; } else pause = 30000;
      } catch {
        pause = Math.min(pause * 2, 60000); // the server is away: ask less often
      }
    }
    setTimeout(ask, pause);
  };
  if (isRenewing) {
    pill.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      show(null).catch(() => location.reload());
    });
  }
  document.addEventListener("visibilitychange", () => { pause = 3000; });
  document.addEventListener("reviewed", () => { first = null; }); // one's own click is no news
  addEventListener("submit", (event) => {
    if (event.defaultPrevented) return;
    asking.abort(); // a form may delete what is asked about
    asking = new AbortController();
    quietUntil = performance.now() + 5000;
  });
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
charts();
tips();
copyButtons();
previews();
menus();
projects();
filters();
keys();
inPlace();
openTarget();
addEventListener("hashchange", openTarget);
pulse();
