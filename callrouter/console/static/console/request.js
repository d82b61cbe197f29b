// Wherever a request is shown: replay it, copy it as a command; copy a file; hang up a leg.
import { el, post } from "./live.js";
import { partsOf } from "./fragments.js";

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("button");
  if (!button) return;
  if (button.dataset.replay) await during(button, () => replay(button));
  if ("copyNext" in button.dataset) await during(button, () => copy(button, button.nextElementSibling.textContent));
  if (button.dataset.copyFile) await during(button, async () => copy(button, await text(button.dataset.copyFile)));
  if (button.dataset.hangUp) await hangUp(button);
});

async function during(button, work) {
  button.disabled = true;
  try {
    await work();
  } catch (fault) {
    button.parentElement.append(el("span", { class: "fault", role: "alert" }, fault.message));
  } finally { button.disabled = false; }
}

async function replay(button) {
  const place = button.closest(".request").querySelector(".replayed");
  place.replaceChildren("Asking …");
  try {
    const { html } = await post("/console/requests/replay", { id: button.dataset.replay });
    place.replaceChildren(...partsOf(html));
  } catch (fault) {
    place.replaceChildren(el("p", { class: "fault" }, fault.message));
  }
}

async function copy(button, words) {
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(words);
    button.textContent = "Copied";
  } catch {  // no clipboard here: the text is shown, to be copied by hand
    const shown = el("textarea", { readonly: true, rows: 6, "aria-label": "Text to copy" });
    shown.value = words;
    button.parentElement.after(shown);
    shown.select();
    button.textContent = "Copy it from below";
  }
  setTimeout(() => { button.textContent = label; }, 2000);
}

async function text(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`The router answered ${answer.status}.`);
  return answer.text();
}

// The first press asks, the second does it.
async function hangUp(button) {
  if (button.dataset.sure === undefined) {
    button.dataset.sure = "";
    button.textContent = "End this call now";
    return;
  }
  await during(button, () => post(`/console/calls/${encodeURIComponent(button.dataset.hangUp)}/hang-up`));
}
