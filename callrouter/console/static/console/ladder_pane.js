// The ladder of one call beside a phone: who told whom what, as it happens.
import { el, poll } from "./live.js";

const at = (name) => document.getElementById(`ladder-${name}`);
const STATUS = { completed: "good", "in-progress": "good", failed: "bad" };
const PLAYGROUND = /http:\/\/pg[0-9a-f]{32}\.playground\.invalid/;
const wide = matchMedia("(min-width: 60rem)");  // on a phone the keypad must not scroll away
let stop = () => {}, shown = "";

// Follows this call from now on, until the page shows another one.
export function follow(sid) {
  if (sid === shown) return;
  stop();
  shown = sid;
  at("rows").replaceChildren();
  stop = poll(`/console/ladder/${encodeURIComponent(sid)}.json`, show, 500);
}

export const following = () => shown;

function show(ladder) {
  if (ladder.rows === undefined) return;  // nothing new
  if (ladder.call_sid !== shown && ladder.legs.every((leg) => leg.sid !== shown)) return;
  const began = Date.parse(ladder.rows[0]?.at);
  const { rows } = ladder;
  const known = new Map([...at("rows").children].map((line) => [line.dataset.key, line]));
  const lines = rows.map((row) => known.get(row.key) ?? line(row, began));
  lines.forEach((made, place) => {
    if (at("rows").children[place] !== made) at("rows").insertBefore(made, at("rows").children[place] ?? null);
  });
  if (lines.length > known.size && wide.matches) at("rows").lastElementChild.scrollIntoView({ block: "nearest" });
  const own = ladder.legs[0];
  const facts = ladder.legs.flatMap((leg) => [
    `${leg === own ? `${leg.from} → ${leg.to}` : ` · ${leg.to}`} `,
    el("span", { class: `status ${STATUS[leg.status] ?? "warn"}` }, leg.status)]);
  const fresh = facts.map((fact) => fact.textContent ?? fact).join("");
  if (at("facts").textContent !== fresh) at("facts").replaceChildren(...facts);  // it is read aloud, so only when it changes
  at("more").hidden = false;
  at("more").querySelector("a").href = `/console/calls/${encodeURIComponent(ladder.call_sid)}`;
  if (!ladder.live) setTimeout(() => { if (shown === ladder.call_sid || ladder.legs.some((leg) => leg.sid === shown)) stop(); }, 3000);
}

function line(row, began) {
  const after = ((Date.parse(row.at) - began) / 1000).toFixed(3);
  return el("li", { "data-key": row.key, class: row.level ?? null },
    el("span", { class: "at" }, after), el("span", { class: "who" }, row.source),
    el("span", { class: "arrow" }, "→"), el("span", { class: "who" }, row.target),
    el("span", { class: "what" }, row.summary.replace(PLAYGROUND, "the playground's ")));
}
