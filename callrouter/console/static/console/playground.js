import { follow } from "./ladder_pane.js";
import { el, post } from "./live.js";
import { bind } from "./phone_panel.js";
import { Phone } from "./phone.js";

const at = (id) => document.getElementById(id);
const text = at("text");
const PAUSE = 250;
let token = "", timer = 0, asked = 0;

const phone = new Phone(at("phone").dataset.signal, async () => token, { registers: false });
bind(phone);

// ---- the text, and what is wrong with it ----

function number(faults = []) {
  const worst = new Map();
  for (const fault of faults) if (worst.get(fault.line) !== "error") worst.set(fault.line, fault.error ? "error" : "warning");
  const count = text.value.split("\n").length;
  at("lines").replaceChildren(...Array.from({ length: count }, (_, place) => el("li", { class: worst.get(place + 1) }, String(place + 1))));
  at("lines").scrollTop = text.scrollTop;
}

async function check() {
  const turn = ++asked;
  let faults;
  try {
    ({ faults } = await post("/console/playground/check", { text: text.value }));
  } catch (fault) {
    if (turn === asked) at("verdict").textContent = fault.message;
    return;
  }
  if (turn !== asked) return;  // the text has changed since
  number(faults);
  const errors = faults.filter((fault) => fault.error).length, warnings = faults.length - errors;
  const count = (many, word) => `${many} ${word}${many === 1 ? "" : "s"}`;
  at("verdict").textContent = faults.length ? `${count(errors, "error")}, ${count(warnings, "warning")}.` : "No errors, no warnings.";
  at("faults").replaceChildren(...faults.map((fault) => el("li", { class: fault.error ? "error" : "warning" },
    el("button", { type: "button", onclick: () => go(fault.line) }, `Line ${fault.line}`),
    ` ${fault.error ? "error" : "warning"}${fault.code ? ` ${fault.code}` : ""}: ${fault.message}`)));
}

function go(line) {
  const before = text.value.split("\n").slice(0, line - 1).join("\n").length;
  const start = line > 1 ? before + 1 : 0;
  const end = text.value.indexOf("\n", start);
  text.focus();
  text.setSelectionRange(start, end < 0 ? text.value.length : end);
  text.scrollTop = (line - 4) * parseFloat(getComputedStyle(text).lineHeight);
}

function edited() {
  number();
  clearTimeout(timer);
  timer = setTimeout(check, PAUSE);
}

text.addEventListener("input", edited);
text.addEventListener("scroll", () => { at("lines").scrollTop = text.scrollTop; });
text.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); play(); }
});
at("example").addEventListener("change", () => {
  if (!at("example").value) return;
  text.value = at("example").value;
  at("example").value = "";
  edited();
});

// ---- playing it ----

async function play() {
  if (phone.call) return phone.hangup();
  fault("");
  try {
    ({ token } = await post("/console/playground/play", { text: text.value }));
    await phone.dial("playground", {}, token);
  } catch (error) { fault(error.message); }
}

function fault(message) {
  at("play-fault").textContent = message;
  at("play-fault").hidden = !message;
}

at("play").onclick = play;
at("play").disabled = false;
phone.addEventListener("change", () => {
  at("play").textContent = phone.call ? "■ Hang up" : "▶ Play";
  if (phone.call?.sid.startsWith("CA")) follow(phone.call.sid);
});

at("share").onclick = async () => {
  fault("");
  try {
    const { url } = await post("/console/playground/share", { text: text.value });
    at("shared").replaceChildren("A link to this text: ", el("a", { href: url }, "open"));
    at("shared").hidden = false;
    await navigator.clipboard.writeText(url).then(() => at("shared").append(" · copied"), () => {});
  } catch (error) { fault(error.message); }
};

number();
check();
