import { follow } from "./ladder_pane.js";
import { poll, post } from "./live.js";
import { bind, note } from "./phone_panel.js";
import { Phone } from "./phone.js";

const at = (id) => document.getElementById(id);
const PATIENCE = 10_000;
const phone = new Phone(at("phone").dataset.signal, async () =>
  (await post("/console/softphone/token", { identity: at("phone-identity").value })).token);
bind(phone);
let watching = () => {}, caller = "";

// Resolves when this page can be rung; an Error in words when it can't.
async function ready() {
  await phone.open();
  const ends = Date.now() + PATIENCE;
  while (phone.status.text !== "Registered") {
    if (Date.now() > ends) throw new Error(`the phone on this page could not register: ${phone.status.text}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function act(form, fault, work) {
  at(form)?.querySelectorAll("button").forEach((button) => { button.disabled = false; });
  at(form)?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = event.submitter ?? at(form).querySelector("button");
    button.disabled = true;
    at(fault).hidden = true;
    try {
      await ready();
      await work();
    } catch (error) {
      at(fault).textContent = error.message;
      at(fault).hidden = false;
    } finally { button.disabled = false; }
  });
}

act("incoming", "incoming-fault", async () => {
  const asked = { to: at("incoming-to").value, from: at("incoming-from").value, says: at("incoming-says").value };
  caller = (await post("/console/try/incoming", asked)).call_sid;
  follow(caller);
  watching();
  at("caller").hidden = false;
  say("The caller hears it ring.");
  let hears = "hears nothing of you yet";
  watching = poll(`/console/try/incoming/${encodeURIComponent(caller)}.json`, (state) => {
    at("caller-level").value = state.level;
    if (state.connected && state.heard_hz && state.level > 0.01) hears = `hears you, at ${10 * Math.round(state.heard_hz / 10)} Hz`;
    say(state.over ? `The call is over (${state.state.replace("ended: ", "")}).`
      : state.state === "talking" ? `Your app took the call. The caller ${hears}.` : "The caller hears it ring.");
    at("caller-hangup").hidden = state.over;
    if (state.over) watching();
  }, 500);
});

// It is read aloud, so it changes only when there is something new.
function say(text) {
  if (at("caller-state").textContent !== text) at("caller-state").textContent = text;
}

if (at("caller-hangup")) {
  at("caller-hangup").onclick = () => post(`/console/try/incoming/${encodeURIComponent(caller)}/hang-up`).catch((fault) => note(fault.message));
}

act("outgoing", "outgoing-fault", async () => {
  const asked = { to: at("outgoing-to").value, from: at("outgoing-from").value, says: at("outgoing-says").value };
  follow((await post("/console/try/outgoing", asked)).call_sid);
});

// A call that comes from elsewhere is shown too.
phone.addEventListener("change", () => {
  const { call } = phone;
  if (call?.incoming && call.phase === "ringing" && !caller) follow(call.sid);
});
phone.addEventListener("over", () => { caller = ""; });
