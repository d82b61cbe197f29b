// What is live in a page: asking again and again, building elements from texts, sending changes.

const connection = document.getElementById("connection");
const REFUSALS = [401, 403, 404];  // asking again would change nothing
const failing = new Set(), refused = new Map();  // who asks again; who has stopped, and what is said of it

function tell() {
  const [words] = refused.values();
  const shown = words ?? (failing.size ? ["Connection lost, retrying …"] : []);
  connection?.replaceChildren(...shown);
  if (connection) connection.hidden = !shown.length;
}

/** An element. Texts become text, never markup; `attrs` may hold listeners as functions (`{onclick}`). */
export function el(tag, attrs = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attrs ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") made.addEventListener(name.replace(/^on/, ""), value);
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** Links to our own pages only: whatever else is given becomes text. */
export function link(href, text) {
  return String(href).startsWith("/console/") ? el("a", { href }, text) : document.createTextNode(text);
}

/** A `<time>` in the reader's own zone, of an ISO time or Unix seconds. */
export function time(at) {
  const date = new Date(typeof at === "number" ? at * 1000 : at);
  return localTime(el("time", { datetime: date.toISOString() }));
}

export function localTime(element) {
  const date = new Date(element.dateTime);
  if (Number.isNaN(date.getTime())) return element;
  const two = (number) => String(number).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  element.textContent = day === today() ? clock : `${day} ${clock}`;
  element.title = date.toISOString();
  return element;
}

function today() {
  const now = new Date();
  return `${now.getFullYear()}-${String(now.getMonth() + 1).padStart(2, "0")}-${String(now.getDate()).padStart(2, "0")}`;
}

/**
 * Asks `url` for JSON now and every `everyMs`, while the tab is seen; hands each answer to `onData`.
 * When an answer has a `cursor`, the next question is `?after=CURSOR`. What fails is tried again, what is refused
 * is not: then the page says so. Returns a function that stops it.
 */
export function poll(url, onData, everyMs = 2000) {
  let cursor = null, timer = 0, stopped = false, wait = everyMs;
  const me = {};

  async function ask() {
    timer = 0;
    if (stopped || document.hidden) return;
    try {
      const address = new URL(url, location.href);
      if (cursor !== null) address.searchParams.set("after", cursor);
      const response = await fetch(address, { headers: { Accept: "application/json" } });
      if (stopped) return;
      if (REFUSALS.includes(response.status)) return await refuse(response);
      if (!response.ok) throw new Error(response.status);
      const data = await response.json();
      if (stopped) return;
      if (data.cursor !== undefined) cursor = data.cursor;
      if (failing.delete(me)) tell();
      wait = everyMs;
      onData(data);
    } catch (error) {
      if (stopped) return;
      failing.add(me);
      tell();
      wait = Math.min(wait * 2, 15000);
      if (!(error instanceof TypeError)) console.warn(`${url}: ${error.message}`);
    }
    if (!stopped) timer = setTimeout(ask, wait);
  }

  function seen() {
    if (!document.hidden && !timer && !stopped) { wait = everyMs; ask(); }
  }

  async function refuse(response) {
    const { message } = await response.json().catch(() => ({ message: `The router answered ${response.status}.` }));
    if (stopped) return;
    stop();
    const here = location.pathname + location.search;
    refused.set(me, response.status === 401
      ? ["You are signed out. ", el("a", { href: `/console/sign-in?next=${encodeURIComponent(here)}` }, "Sign in")]
      : [`${message} This page is no longer live. If another account was chosen in another tab, that is why. `,
        el("a", { href: here }, "Load it again")]);
    tell();
  }

  function stop() {
    stopped = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", seen);
    failing.delete(me);
    refused.delete(me);
    tell();
  }

  document.addEventListener("visibilitychange", seen);
  ask();
  return stop;
}

/** Sends a form (an object of strings) to `url`; answers the JSON, or throws an Error with the server's words. */
export async function post(url, body = {}) {
  const token = document.querySelector('meta[name="csrf-token"]')?.content ?? "";
  let response;
  try {
    response = await fetch(url, {
      method: "POST",
      headers: { Accept: "application/json", "X-CSRF-Token": token },
      body: body instanceof FormData ? body : new URLSearchParams(body),
    });
  } catch {
    throw new Error("The router does not answer. Try again.");
  }
  const text = await response.text();
  let data = {};
  try {
    data = text ? JSON.parse(text) : {};
  } catch {
    throw new Error(`The router answered ${response.status} with something unexpected.`);
  }
  if (!response.ok) {
    const error = new Error(data.message ?? `The router answered ${response.status}.`);
    error.status = response.status;
    error.code = data.code;
    throw error;
  }
  return data;
}

/** A cell of a list; its label is what a phone shows beside it. */
export function cell(label, ...children) {
  return el("td", { "data-label": label }, ...children);
}

/** Puts rows into a table's body, unless they are there already: what has the focus keeps it. */
export function keep(id, rows, otherwise = "") {
  const body = document.getElementById(id);
  const columns = body.parentElement.querySelectorAll("thead th").length;
  const shown = rows.length ? rows : [el("tr", { class: "empty" }, el("td", { colspan: columns }, otherwise))];
  const fresh = shown.map((row) => row.outerHTML).join("");
  if (body.dataset.shown === fresh) return;
  body.dataset.shown = fresh;
  body.replaceChildren(...shown);
}

/** Seconds as `0:42`, `12:05` or `1:02:03`. */
export function duration(seconds) {
  const two = (number) => String(number).padStart(2, "0");
  const whole = Math.floor(seconds), hour = Math.floor(whole / 3600), minute = Math.floor(whole / 60) % 60;
  return hour ? `${hour}:${two(minute)}:${two(whole % 60)}` : `${minute}:${two(whole % 60)}`;
}
