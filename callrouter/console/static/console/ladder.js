// The ladder of a call or message, live: a lane for each who takes part, a row for each thing that one told another.
import { el, poll } from "./live.js";
import { partsOf } from "./fragments.js";

const LANES = ["caller", "router", "app", "client", "callee"];
const TITLES = { caller: "caller", router: "router", app: "your server", client: "client", callee: "callee" };
const QUICK = 700, SLOW = 5000;

const list = document.getElementById("ladder");
if (list.dataset.ends) TITLES.caller = TITLES.callee = list.dataset.ends;
const parts = document.getElementById("parts");
const rungs = new Map();  // by key: { item, row }
let lane = new Map(), lanes = LANES, stop = () => {}, live = null;

function begin(every) {
  stop();
  stop = poll(list.dataset.url, show, every);
}

function show(ladder) {
  if (ladder.live !== live) {
    live = ladder.live;
    setTimeout(begin, 0, live ? QUICK : SLOW);
  }
  if (ladder.rows === undefined) return;
  arrange(ladder.parties);
  const began = Date.parse(ladder.rows[0]?.at);
  const items = ladder.rows.map((row) => {
    const known = rungs.get(row.key);
    if (known && JSON.stringify(known.row) === JSON.stringify(row) && known.lanes === lanes.join()) return known.item;
    const item = rung(row, began);
    rungs.set(row.key, { item, row, lanes: lanes.join() });
    return item;
  });
  items.forEach((item, place) => {
    if (list.children[place] !== item) list.insertBefore(item, list.children[place] ?? null);
  });
  while (list.children.length > items.length) list.lastElementChild.remove();
  const left = document.getElementById("ladder-left-out");
  left.hidden = !ladder.left_out;
  left.textContent = `${ladder.left_out} earlier rows are not shown.`;
  if (parts.dataset.html !== ladder.html) {
    if (parts.dataset.html !== undefined) parts.replaceChildren(...partsOf(ladder.html));
    parts.dataset.html = ladder.html;
  }
}

// Only the lanes in which somebody stands, and the names of who stands there.
function arrange(parties) {
  lane = new Map(parties.map((one) => [one.name, one.column]));
  const used = new Set([...lane.values(), "router"]);
  const kept = LANES.filter((name) => used.has(name));
  if (kept.join() === lanes.join() && document.getElementById("lanes").children.length) return;
  lanes = kept;
  document.getElementById("lanes").replaceChildren(el("span", { class: "at" }, "s"),
    el("span", { class: `track of${lanes.length}` }, lanes.map((name) => el("span", { class: "lane" }, TITLES[name]))));
}

function rung(row, began) {
  const from = lanes.indexOf(lane.get(row.source)), to = lanes.indexOf(lane.get(row.target));
  const first = Math.min(from, to) + 1, many = Math.abs(from - to) + 1;
  const panel = el("div", { class: "panel", hidden: true });
  const seconds = ((Date.parse(row.at) - began) / 1000).toFixed(3);
  const button = el("button", { type: "button", class: `rung ${row.level ?? ""}`, "aria-expanded": "false" },
    el("span", { class: "at" }, seconds),
    el("span", { class: `track of${lanes.length}` },
      el("span", { class: `line at${first} over${many} ${to < from ? "left" : "right"}`, "aria-hidden": "true" }),
      el("span", { class: `words at${first}` },
        el("span", { class: "who" }, `${row.source} → ${row.target}`), " ", el("span", { class: "what" }, row.summary))));
  button.addEventListener("click", () => open(button, panel, row));
  return el("li", { "data-key": row.key }, button, panel);
}

async function open(button, panel, row) {
  const shown = panel.hidden;
  panel.hidden = !shown;
  button.setAttribute("aria-expanded", String(shown));
  if (!shown) return;
  panel.replaceChildren(...details(row));
  if (!row.delivery_id) return;
  const waiting = el("p", { class: "hint" }, "Fetching the request …");
  panel.append(waiting);
  try {
    const address = `/console/requests/${encodeURIComponent(row.delivery_id)}`;
    const answer = await fetch(address, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(`The router answered ${answer.status}.`);
    waiting.replaceWith(...partsOf((await answer.json()).html), el("p", {}, el("a", { href: address }, "The request on its own page")));
  } catch (fault) { waiting.replaceWith(el("p", { class: "fault" }, fault.message)); }
}

// What is known of a row without asking: its own facts, the fault that it tells of, who was rung.
function details(row) {
  const facts = Object.entries(row.detail ?? {}).flatMap(([name, value]) => [el("dt", {}, name.replaceAll("_", " ")),
    el("dd", {}, el("code", {}, typeof value === "string" ? value : JSON.stringify(value)))]);
  const about = [["fault", row.notification_sid], ["presence", row.summary === "dial" && row.detail?.call_sid]];
  const copies = about.filter(([, sid]) => sid).flatMap(([name, sid]) =>
    [...parts.querySelectorAll(`[data-${name}]`)].filter((one) => one.dataset[name] === sid).map(copied));
  return [el("p", { class: "hint" }, `${new Date(row.at).toISOString()} · ${row.source} → ${row.target}`),
    ...(facts.length ? [el("dl", { class: "facts" }, facts)] : []), ...copies];
}

function copied(part) {
  const made = part.cloneNode(true);
  made.removeAttribute("id");  // one place of a page has it already
  return made;
}

list.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step || !event.target.classList.contains("rung")) return;
  const all = [...list.querySelectorAll(".rung")];
  all[all.indexOf(event.target) + step]?.focus();
  event.preventDefault();
});

begin(QUICK);
