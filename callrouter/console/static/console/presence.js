import { el, poll, time } from "./live.js";

const SHOWN = 300, LEFT_SECONDS = 600;
const at = (id) => document.getElementById(id);
const people = new Map(), left = new Map();  // who is there; who went while this page was open, and when
const cell = (label, ...children) => el("td", { "data-label": label }, ...children);

const CALL = {
  ring: "rings", busy: "busy: it is on a call", "not-available": "not available", "not-registered": "nobody is registered",
};
const WHY = {
  yes: "rings", busy: "on a call", "no-capability": "takes no calls", "not-permitted": "its token takes no incoming calls",
};

poll("/console/presence.json", ({ clients, removed, reset }) => {
  if (reset) people.clear();
  for (const one of clients) {
    if (one.status === "offline") go(one.client);
    else { people.set(one.client, one); left.delete(one.client); }
  }
  removed.forEach(go);
  show();
}, 1000);

function go(name) {
  if (people.delete(name)) left.set(name, Date.now() / 1000);
}

function show() {
  const prefix = at("prefix").value.trim(), wanted = at("wanted").value;
  for (const [name, when] of left) if (Date.now() / 1000 - when > LEFT_SECONDS) left.delete(name);
  const fits = (one) => one.client.startsWith(prefix) && (!wanted || one.available === (wanted === "available"));
  const there = [...people.values()].filter(fits).sort((a, b) => (a.client < b.client ? -1 : 1));
  const gone = wanted === "available" ? [] : [...left].filter(([name]) => name.startsWith(prefix));
  const rows = [...there.slice(0, SHOWN).map(row), ...gone.map(([name, when]) => away(name, when))];
  at("count").textContent = `${there.length} of ${people.size} clients${there.length > SHOWN ? `; the first ${SHOWN} are shown` : ""}`;
  keep(rows.length ? rows : [el("tr", { class: "empty" }, el("td", { colspan: 5 }, empty()))]);
}

function empty() {
  return people.size ? "Nobody fits." : "Nobody is registered. Open the softphone and press Register, or let an app register.";
}

function row(one) {
  const status = el("span", { class: `status ${one.available ? "good" : "warn"}` }, one.status);
  const devices = el("ul", { class: "plain" }, one.devices.map((device) => el("li", {},
    el("span", { class: "mono" }, device.id.slice(0, 24)), " ",
    el("span", { class: `status ${device.rings === "yes" ? "good" : "warn"}` }, WHY[device.rings] ?? device.rings),
    ` ${device.takes.join(", ")}${device.note ? ` · ${device.note}` : ""} `,
    el("span", { class: "hint" }, "seen ", time(device.seen)))));
  return el("tr", { "data-client": one.client }, cell("Client", el("strong", {}, one.client)),
    cell("Status", status, one.note ? ` ${one.note}` : ""), cell("Since", one.since ? time(one.since) : "–"),
    cell("A call now", CALL[one.call] ?? one.call), cell("Devices", devices));
}

function away(name, when) {
  return el("tr", { "data-client": name }, cell("Client", name), cell("Status", el("span", { class: "status" }, "offline")),
    cell("Since", time(when)), cell("A call now", CALL["not-registered"]), cell("Devices", "none"));
}

function keep(rows) {
  const fresh = rows.map((one) => one.outerHTML).join("");
  if (at("clients").dataset.shown === fresh) return;
  at("clients").dataset.shown = fresh;
  at("clients").replaceChildren(...rows);
}

at("filters").addEventListener("input", show);
at("filters").addEventListener("submit", (event) => event.preventDefault());
