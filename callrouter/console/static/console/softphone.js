import { el, poll, post } from "./live.js";
import { bind, note } from "./phone_panel.js";
import { Phone } from "./phone.js";

const at = (id) => document.getElementById(id);
const identity = () => at("phone-identity").value;

async function token() {
  const body = { identity: identity(), application_sid: at("phone-app").value };
  return (await post("/console/softphone/token", body)).token;
}

const phone = new Phone(at("phone").dataset.signal, token);
bind(phone, { direct: async (to) => (await post("/console/softphone/direct", { identity: identity(), to })).token });

const people = new Map();
poll("/console/presence.json", ({ clients, removed, reset }) => {
  if (reset) people.clear();
  for (const one of clients) people.set(one.client, one);
  for (const name of removed) people.delete(name);
  const there = [...people.values()].filter((one) => one.status !== "offline").slice(0, 30);
  const shown = there.map((one) => el("li", {},
    el("span", { class: `status ${one.available ? "good" : "warn"}` }, one.status), ` ${one.client} `,
    one.client === identity() ? el("span", { class: "hint" }, "this phone") : el("button", {
      type: "button", "aria-label": `Call ${one.client}`, onclick: () => call(one.client) }, "Call")));
  const fresh = JSON.stringify(there.map((one) => [one.client, one.status, one.available]));
  if (at("others").dataset.shown === fresh) return;
  at("others").dataset.shown = fresh;
  at("others").replaceChildren(...(shown.length ? shown : [el("li", { class: "hint" }, "Nobody is registered.")]));
}, 2000);

async function call(name) {
  if (phone.call) return note("hang up first");
  try {
    await phone.dial(name, {}, (await post("/console/softphone/direct", { identity: identity(), to: name })).token);
  } catch (fault) { note(fault.message); }
}
