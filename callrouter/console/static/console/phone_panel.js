// The phone's controls on a page: what phone.html holds, bound to a Phone.
import { el } from "./live.js";

const $ = (name) => document.getElementById(`phone-${name}`);
const LINES = 50;

// `direct`: a function that answers with a promise of a token for a call to that address, for calls without an application.
export function bind(phone, { direct = null, title = document.title } = {}) {
  const show = () => {
    const { call, status } = phone;
    const rings = Boolean(call?.incoming && call.phase === "ringing"), talks = call?.phase === "talking";
    document.title = rings ? `☎ ${call.peer} is calling` : title;
    $("status").dataset.state = status.state;
    const name = $("identity")?.value;
    put("status", status.text === "Registered" && name ? `Registered as ${name}` : status.text);
    const shown = $("call").hidden === false;
    $("call").hidden = !call;
    if ($("dial")) $("dial").hidden = Boolean(call);
    $("answer").hidden = $("reject").hidden = !rings;
    $("hangup").hidden = $("mute").hidden = $("talk").hidden = rings;
    $("peer").textContent = call?.peer ?? "";
    put("phase", call?.phase ?? "");
    $("mute").ariaPressed = String(Boolean(call?.muted));
    for (const key of $("keys").children) key.disabled = !talks;
    if ($("identity")) {
      $("identity").disabled = phone.wanted;
      $("toggle").textContent = phone.wanted ? "Unregister" : "Register";
      $("toggle").classList.toggle("main", !phone.wanted);
    }
    if (rings && !shown) $("answer").focus();
  };
  phone.addEventListener("change", show);
  phone.addEventListener("note", ({ detail }) => note(detail));
  phone.addEventListener("shut", () => { if ($("trust")) $("trust").hidden = false; });
  phone.addEventListener("change", () => { if (phone.status.state === "on" && $("trust")) $("trust").hidden = true; });
  phone.addEventListener("over", () => { $("mute").ariaPressed = "false"; });

  $("register")?.addEventListener("submit", (event) => {
    event.preventDefault();
    if (phone.wanted) phone.close();
    else phone.open().catch(() => {});
  });
  $("dial")?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const to = $("to").value.trim();
    try {
      await phone.dial(to, {}, $("app").value ? null : await direct(to));
    } catch (fault) { note(fault.message); }
  });
  $("app")?.addEventListener("change", () => phone.refresh());
  $("answer").onclick = () => phone.answer();
  $("reject").onclick = $("hangup").onclick = () => phone.hangup();
  $("mute").onclick = () => phone.mute(!phone.call?.muted);
  for (const digit of "123456789*0#") {
    $("keys").append(el("button", { type: "button", onclick: () => phone.press(digit) }, digit));
  }
  document.addEventListener("keydown", ({ key, target, ctrlKey, metaKey, altKey }) => {
    if (ctrlKey || metaKey || altKey || target.closest?.("input, textarea, select")) return;
    if (/^[0-9*#]$/.test(key)) phone.press(key);
    else if (key === "Escape") phone.hangup();
  });
  setInterval(() => {
    const { heard, said } = phone.levels();
    $("heard").value = heard;
    $("said").value = said;
  }, 100);
  $("microphone").onchange = () => { phone.microphone = $("microphone").value; };
  $("speaker").onchange = () => {
    phone.speaker = $("speaker").value;
    phone.out.setSinkId?.(phone.speaker).catch((fault) => note(`the speaker does not work: ${fault.message}`));
  };
  $("log").closest("section").querySelector("details").addEventListener("toggle", devices);
  show();
  for (const button of document.querySelectorAll("#phone-register button, #phone-dial button")) button.disabled = false;
}

// A text that is read aloud when it changes.
function put(name, text) {
  if ($(name).textContent !== text) $(name).textContent = text;
}

export function note(text) {
  $("log").prepend(el("li", {}, `${new Date().toLocaleTimeString()} ${text}`));
  while ($("log").children.length > LINES) $("log").lastChild.remove();
}

async function devices() {
  const found = await navigator.mediaDevices?.enumerateDevices().catch(() => []) ?? [];
  for (const [kind, name] of [["audioinput", "microphone"], ["audiooutput", "speaker"]]) {
    const list = $(name), known = new Set([...list.options].map((option) => option.value));
    for (const one of found) {
      if (one.kind !== kind || !one.deviceId || one.deviceId === "default" || known.has(one.deviceId)) continue;
      list.append(el("option", { value: one.deviceId }, one.label || `${name} ${list.options.length}`));
    }
  }
}
