import { cell, el, keep, link, poll, time } from "./live.js";

const at = (id) => document.getElementById(id);
const call = (sid) => `/console/calls/${encodeURIComponent(sid)}`;

poll("/console/overview.json", (facts) => {
  at("calls-now").textContent = facts.calls_now;
  at("calls-hour").textContent = facts.calls_hour;
  at("messages-hour").textContent = facts.messages_hour;
  at("parts").replaceChildren(...facts.parts.map((part) => el("li", {},
    el("span", { class: `status ${part.fault ? "bad" : "good"}` }, part.fault ? "fault" : "ok"),
    ` ${part.name}${part.said ? `: ${part.said}` : ""}`)));
  keep("calls", facts.calls.map((one) => el("tr", {},
    cell("When", el("a", { href: call(one.sid) }, time(one.at))), cell("From", one.from), cell("To", one.to),
    cell("Status", el("span", { class: `status ${one.status}` }, one.status)))), "No calls yet.");
  keep("alerts", facts.alerts.map((one) => el("tr", {},
    cell("When", time(one.at)), cell("Code", el("span", { class: `status ${one.error ? "bad" : "warn"}` }, one.code)),
    cell("What", one.call_sid ? link(call(one.call_sid), one.text) : one.text))), "No alerts.");
}, 2000);
