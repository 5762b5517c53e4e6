// What a page gains with scripts: times in the viewer's zone, and live rows that change in place. All else works without.
"use strict";

const root = document.body.dataset.root;
const said = document.getElementById("said");
const csrf = () => document.querySelector("input[name=csrf]")?.value ?? "";

// --- times: the markup says UTC, the viewer reads their own ---------------------------------------------------------

const shown = (style) => new Intl.DateTimeFormat(undefined, style);
const day = { year: "numeric", month: "short", day: "numeric" };
const full = shown({ ...day, hour: "2-digit", minute: "2-digit", second: "2-digit" });
const fine = shown({ ...day, hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 });

function localise(within) {
  for (const time of within.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (time.title || Number.isNaN(at.getTime())) continue;
    time.title = time.textContent;
    time.textContent = (time.dateTime.includes(".") ? fine : full).format(at);
  }
}

// What is chosen in a form is in the viewer's zone as well; what is sent is UTC.
function localiseInputs() {
  const two = (number) => String(number).padStart(2, "0");
  for (const input of document.querySelectorAll("input[type=datetime-local]")) {
    const sent = Object.assign(document.createElement("input"), { type: "hidden", name: input.name, value: input.value });
    const at = new Date(input.value + "Z");
    if (input.value && !Number.isNaN(at.getTime())) {
      input.value = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(at.getHours())}:${two(at.getMinutes())}`;
    }
    input.removeAttribute("name");
    input.after(sent);
    input.form.addEventListener("submit", () => {
      sent.value = input.value ? new Date(input.value).toISOString().slice(0, 16) : "";
      sent.disabled = !sent.value;
    });
  }
  for (const zone of document.querySelectorAll(".zone")) zone.remove();
}

// --- what runs ------------------------------------------------------------------------------------------------------

const stream = document.getElementById("stream");
const rows = document.getElementById("rows");
const title = document.title;
let skew = 0; // seconds that the daemon's clock is ahead of this one
let moved = -Infinity; // when rows last stood elsewhere than before
const SETTLED = 500; // milliseconds after which who presses has seen what is there now

function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

function tick() {
  const now = Date.now() / 1000 + skew;
  for (const one of rows.querySelectorAll(".elapsed")) {
    const text = clock(now - Number(one.dataset.began));
    if (one.textContent !== text) one.textContent = text;
  }
}

function built(html) {
  const template = document.createElement("template");
  template.innerHTML = html; // the daemon's own row: what others wrote is escaped in it, and the policy lets no script in
  return template.content.querySelector("tr");
}

function replaceRow(old, fresh) {
  const held = old.contains(document.activeElement) ? document.activeElement : null;
  old.replaceWith(fresh);
  if (!held) return;
  const again = held.dataset.slot ? fresh.querySelector(`[data-slot="${held.dataset.slot}"]`) : null;
  (again ?? fresh.querySelector("a"))?.focus();
}

function update({ order, rows: changed, total, stale, banner, now }) {
  skew = now - Date.now() / 1000;
  const before = [...rows.children].map((row) => row.dataset.id);
  for (const row of [...rows.children]) {
    if (order.includes(row.dataset.id)) continue;
    const held = row.contains(document.activeElement);
    const next = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    if (held) (next?.querySelector("a") ?? document.getElementById("main")).focus();
  }
  order.forEach((id, place) => {
    let row = document.getElementById(`r-${id}`);
    if (changed[id]) {
      const fresh = built(changed[id]);
      if (row) replaceRow(row, fresh);
      row = fresh;
    }
    if (row && rows.children[place] !== row) rows.insertBefore(row, rows.children[place] ?? null);
  });
  if (before.some((id, place) => order.includes(id) && order.indexOf(id) !== place)) moved = performance.now();
  document.getElementById("count").textContent = total;
  document.title = total ? `(${total}) ${title}` : title;
  document.getElementById("empty").hidden = total > 0;
  document.getElementById("more").hidden = total <= order.length;
  const told = document.getElementById("banner");
  if (told.dataset.told !== banner) {
    told.dataset.told = banner;
    told.innerHTML = banner;
  }
  heard(stale);
  tick();
}

// One recording's page is made anew once its state is another, or it runs no more.
function follow({ order, rows: changed, total, stale }) {
  heard(stale);
  const { recording, state } = stream.dataset;
  const html = changed[recording];
  const over = !order.includes(recording) && total <= order.length;
  if (!stale && (over || (html && !built(html).querySelector(`.state.${state}`)))) setTimeout(() => location.reload(), 1000);
}

function heard(stale) {
  status(stale ? "off" : "on", stale ? "the store does not answer" : "live");
}

function status(kind, text) {
  stream.hidden = false;
  stream.className = `stream ${kind}`;
  if (stream.textContent !== text) stream.textContent = text;
}

function watch(update) {
  let source = null;
  let later = 0;
  const open = () => {
    clearTimeout(later);
    if (source || document.hidden) return;
    source = new EventSource(stream.dataset.events);
    source.addEventListener("live", (event) => update(JSON.parse(event.data)));
    source.addEventListener("end", () => { close(); ended(); });
    source.addEventListener("error", () => {
      status("off", "connecting again …");
      if (source?.readyState === EventSource.CLOSED) { // refused: signed out, or too many look
        close();
        fetch(`${root}console/session`, { headers: { Accept: "application/json" } }).then(
          (answer) => (answer.status === 401 ? ended() : (later = setTimeout(open, 10000))),
          () => (later = setTimeout(open, 10000)),
        );
      }
    });
  };
  const close = () => { source?.close(); source = null; };
  const ended = () => {
    status("off", "");
    stream.replaceChildren("Your session has ended. ", Object.assign(document.createElement("a"), { href: root, textContent: "Sign in again" }));
  };
  // A page that nobody sees needs no stream: browsers have six connections to a daemon, for all tabs together.
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", open);
  open();
}

// A verb of a live row: the page stays, the row changes when the recording does.
async function carryOut(form) {
  const button = form.querySelector("button");
  if (button.getAttribute("aria-disabled")) return;
  button.setAttribute("aria-disabled", "true");
  try {
    const answer = await fetch(form.action, {
      method: "POST",
      body: new URLSearchParams(new FormData(form)),
      headers: { Accept: "application/json", "X-CSRF-Token": csrf() },
    });
    const { message } = await answer.json();
    say(message, !answer.ok);
  } catch {
    say("The daemon did not answer: see whether it was done.", true);
  }
  button.removeAttribute("aria-disabled");
}

function say(text, bad) {
  const line = Object.assign(document.createElement("p"), { className: bad ? "flash bad" : "flash", textContent: text });
  said.replaceChildren(line);
  if (!bad) setTimeout(() => line.remove(), 6000);
}

localise(document);
localiseInputs();
if (stream) {
  watch(rows ? update : follow);
}
if (rows) {
  skew = Number(stream.dataset.now) - Date.now() / 1000;
  setInterval(tick, 1000);
  rows.addEventListener("click", (event) => {
    if (event.detail === 0 || performance.now() - moved > SETTLED) return; // by keyboard: the focus moves with its row
    event.preventDefault();
    say("The rows had just moved, so nothing was done. Press again.", true);
  });
  rows.addEventListener("submit", (event) => {
    event.preventDefault();
    carryOut(event.target);
  });
}
