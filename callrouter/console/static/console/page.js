// On every page: times in the reader's zone, the menu of a phone, questions before what can't be undone, copying.
import { localTime } from "./live.js";

for (const element of document.querySelectorAll("time[datetime]")) localTime(element);

for (const form of document.querySelectorAll("form[data-submit-on-change]")) {
  form.querySelectorAll("[data-without-script]").forEach((button) => button.classList.add("hidden-by-script"));
  form.addEventListener("change", () => form.submit());
}

for (const button of document.querySelectorAll("[data-menu]")) {
  const menu = document.getElementById(button.getAttribute("aria-controls"));
  const show = (open) => {
    button.setAttribute("aria-expanded", String(open));
    menu.classList.toggle("open", open);
  };
  button.addEventListener("click", () => show(button.getAttribute("aria-expanded") !== "true"));
  menu.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { show(false); button.focus(); }
  });
}

document.addEventListener("submit", (event) => {
  const question = event.submitter?.dataset.confirm ?? event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (!button) return;
  const text = document.getElementById(button.dataset.copy)?.textContent ?? "";
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Copying was refused";
  }
  setTimeout(() => { button.textContent = label; }, 2000);
});
