import { cell, duration, el, keep, poll, time } from "./live.js";

const call = (sid, text) => el("a", { href: `/console/calls/${encodeURIComponent(sid)}` }, text || sid);
const nobody = [el("li", {}, "nobody")];

function end(one) {
  const csrf = document.querySelector('meta[name="csrf-token"]').content;
  return el("form", { method: "post", action: `/console/meetings/${encodeURIComponent(one.sid)}/end` },
    el("input", { type: "hidden", name: "csrf", value: csrf }),
    el("button", { class: "danger", "aria-label": `End ${one.name}`, "data-confirm": "End this conference for all who are in it?" }, "End"));
}

function guest(one) {
  const words = [!one.joined && "invited", one.muted && "muted", one.hold && "on hold"].filter(Boolean);
  return el("li", {}, call(one.call_sid, one.label), words.length ? ` (${words.join(", ")})` : "");
}

poll("/console/meetings.json", ({ conferences, queues }) => {
  keep("conferences", conferences.map((one) => el("tr", {},
    cell("Name", one.name), cell("Status", el("span", { class: `status ${one.status}` }, one.status)),
    cell("Since", time(one.since)),
    cell("In it", el("ul", { class: "plain" }, one.guests.length ? one.guests.map(guest) : nobody)),
    cell("End", end(one)))), "None now.");
  keep("queues", queues.map((one) => el("tr", {},
    cell("Name", one.name), cell("Waiting", `${one.size} of ${one.most}`), cell("Average wait", duration(one.average)),
    cell("Agents at it", one.agents),
    cell("Who waits", el("ol", { class: "plain" }, one.waiting.length
      ? one.waiting.map((caller) => el("li", {}, call(caller.call_sid), ` ${duration(caller.seconds)}`)) : nobody)))),
  "None yet: the first <Enqueue> makes one.");
}, 2000);
