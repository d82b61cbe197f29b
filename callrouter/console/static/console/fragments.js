// Parts of pages that the server renders again, escaped there as the whole page is; a parsed document runs nothing.
import { localTime } from "./live.js";

export function rowsOf(html) {
  return [...parsed(`<table><tbody>${html}</tbody></table>`).querySelector("tbody").children];
}

export function partsOf(html) {
  return [...parsed(html).body.childNodes];
}

function parsed(html) {
  const made = new DOMParser().parseFromString(html, "text/html");
  made.querySelectorAll("time[datetime]").forEach(localTime);
  return made;
}
