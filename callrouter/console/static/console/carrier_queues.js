import { cell, el, keep, poll } from "./live.js";

const age = (seconds) => (seconds === null ? "–" : `${Math.round(seconds)} s`);

poll("/console/carrier-queues.json", ({ queues, accounts }) => {
  keep("queues", queues.map((one) => el("tr", {},
    cell("Carrier", one.carrier), cell("Waiting", one.depth), cell("Segments", one.segments),
    cell("Under way", one.leased), cell("In doubt", one.doubtful), cell("Oldest", age(one.oldest)), cell("In", one.in), cell("Out", one.out),
    cell("Delivered", one.conversion === null ? "–" : `${(100 * one.conversion).toFixed(1)} %`),
    cell("Breaker", el("span", { class: `status ${one.breaker === "closed" ? "good" : "bad"}` }, one.breaker)))));
  keep("accounts", accounts.map((one) => el("tr", {},
    cell("Carrier", one.carrier), cell("Account", el("code", {}, one.account_sid)),
    cell("Waiting", one.depth), cell("Oldest", age(one.oldest)))), "Nothing waits.");
}, 2000);
