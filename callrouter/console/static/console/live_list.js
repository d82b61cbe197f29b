// A list whose first page is kept as it is now: rows that are new or have changed are put in their place.
import { poll } from "./live.js";
import { rowsOf } from "./fragments.js";

const body = document.querySelector("#rows[data-live]");
const EVERY = 2000;

if (body) {
  poll(location.href, ({ html }) => {
    if (html === undefined) return;
    const known = new Map([...body.children].map((row) => [row.dataset.key, row]));
    const rows = rowsOf(html).map((fresh) => {
      const old = known.get(fresh.dataset.key);
      if (old && old.outerHTML === fresh.outerHTML) return old;  // what has the focus keeps it
      if (!old && fresh.dataset.key) fresh.classList.add("fresh");
      return fresh;
    });
    rows.forEach((row, place) => {
      if (body.children[place] !== row) body.insertBefore(row, body.children[place] ?? null);
    });
    while (body.children.length > rows.length) body.lastElementChild.remove();
  }, EVERY);
}
