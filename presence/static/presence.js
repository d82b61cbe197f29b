// Who is there, and messages to and from this client, for web pages. No dependency; for browsers with fetch streaming,
// that is all of today's.
//
//   import { Presence } from "https://calls.example.com:8443/presence.js";
//   const presence = new Presence({ host: "calls.example.com:8443", account: "AC…", token });
//   const watch = presence.watch({ list: "sales" }, (view) => show([...view.values()]));
//   await presence.setStatus("away", "back at two");
//   presence.messages("this-page", (message) => show(message.from, message.body));
//   await presence.send("I am on my way", { to: "+15551234567" });
//
// The token is an access token with `grants.callrouter.permissions`: "presence:read:…" and "events:subscribe" to watch,
// "presence:publish" to set the own status, "messages:send" to send messages; to get them it must let calls in.
// It is sent in a header, never in an address.

const FIRST_DELAY = 250, LONGEST_DELAY = 20_000;  // ms until the next connection
const SILENCE = 45_000;                           // ms without even a keep-alive, which comes every 15 s
const PATIENCE = 15_000;                          // ms for an answer
const LIFE = 90, TRIES = 5;                       // s of a registration without a refresh; tries of an acknowledgement

/** The server refused: `status` of HTTP, `code` of Twilio's catalogue. */
export class PresenceError extends Error {
  constructor(status, code, message, retryAfter = 0) {
    super(message);
    Object.assign(this, { name: "PresenceError", status, code, retryAfter });
  }
}

/** Server-sent events out of text that comes in any pieces: `feed(text)` answers with [{name, data}…]. */
export class EventParser {
  #rest = ""; #name = ""; #data = [];

  feed(text) {
    const lines = (this.#rest + text).split("\n"), events = [];
    this.#rest = lines.pop();
    for (const line of lines.map((one) => one.replace(/\r$/, ""))) {
      if (!line) {
        if (this.#data.length) events.push({ name: this.#name || "message", data: this.#data.join("\n") });
        this.#name = "";
        this.#data = [];
      } else if (line.startsWith("event:")) this.#name = line.slice(6).trim();
      else if (line.startsWith("data:")) this.#data.push(line.slice(5).replace(/^ /, ""));
    }
    return events;
  }
}

/** What a message does to a view, a Map of name to client. A snapshot is everybody; else who changed and who left. */
export function fold(view, { snapshot, clients, removed }) {
  if (snapshot) view.clear();
  for (const name of removed) view.delete(name);
  for (const client of clients) view.set(client.client, client);
  return view;
}

export class Presence {
  #base; #account; #token; #expiring; #watches = new Set();

  /** `expiring(seconds)` is called shortly before the token ends, and with 0 when it has: give a new one to
      `updateToken`. `protocol` is "http:" only for tests. */
  constructor({ host, account, token, expiring = () => {}, protocol = "https:" }) {
    this.#base = `${protocol}//${host}/v1/Accounts/${encodeURIComponent(account)}`;
    this.#account = account;
    this.#token = token;
    this.#expiring = expiring;
  }

  get account() { return this.#account; }

  /** Who this is: the token's identity. */
  get identity() { return identity(this.#token); }

  /** Clients by name: one for one; for an array, those of them whom the token may see, in its order. */
  async get(names) {
    if (typeof names === "string") return this.#ask("GET", `/Presence/${encodeURIComponent(names)}`);
    return (await this.#ask("POST", "/Presence/query", { clients: names })).clients;
  }

  /** Everybody in a selection as they are now: `{clients: […]}`, `{list}`, `{prefix}`, or all that the token may see. */
  async query(selection = {}) {
    const body = chosen(selection), found = [];
    for (let page = {}, token; ; token = page.next_page_token) {
      page = await this.#ask("POST", "/Presence/query", token ? { ...body, page_token: token } : body);
      found.push(...page.clients);
      if (!page.next_page_token) return found;
    }
  }

  /** The own status on all devices, now and later: "away", "dnd", one of the account's, or null for none. */
  setStatus(status, note = "") {
    return this.#ask("PUT", `/Clients/${encodeURIComponent(this.identity)}/Status`, { status, note });
  }

  /** The own status as it was set: `{status, note, …}`. */
  ownStatus() { return this.#ask("GET", `/Clients/${encodeURIComponent(this.identity)}/Status`); }

  /** Registers this device for messages, and calls `onMessage({sid, from, to, body, media, session, at})` with each,
      once, in order, until `close()`. A message counts as delivered when `onMessage` has returned; one for which it
      throws comes again on the next connection. `device`: its own name, the same each time, as kept in localStorage.
      `capabilities`: "sms" alone gets links instead of media, "voice" is for the Voice SDK. */
  messages(device, onMessage, { capabilities = ["sms", "mms"], onState = () => {} } = {}) {
    const me = `/Clients/${encodeURIComponent(this.identity)}`, shown = new Set();
    let registration = null, last = Promise.resolve();
    const beat = async () => {
      const body = { endpoint_id: device, capabilities, ttl: LIFE };
      registration = await this.#ask("POST", `${me}/Registrations`, body);
    };
    const refresh = () => beat().catch((fault) => onState("waiting", fault));
    const take = async (message) => {
      if (!shown.has(message.sid)) await onMessage(message);
      shown.add(message.sid);
      const acknowledge = () => this.#ask("POST", `${me}/Messages/${message.sid}/Acknowledgements`, { endpoint_id: device });
      for (let tries = 1; tries < TRIES; tries++) {
        try { return await acknowledge(); } catch (fault) { if (fault.status < 500) throw fault; }
        await new Promise((resolve) => { setTimeout(resolve, FIRST_DELAY * 2 ** tries); });
      }
      return acknowledge();
    };
    const asked = new URLSearchParams({ endpoint_id: device });
    const timer = setInterval(refresh, LIFE * 1000 / 3);
    const inbox = new Watch((headers, signal) => this.#open(`${me}/MessageStream?${asked}`, headers, signal), {
      onState, onMessage: (message) => { last = last.then(() => take(message)).catch((fault) => console.error(fault)); },
      expiring: (seconds) => this.#expiring(seconds),
      closed: () => {
        clearInterval(timer);
        this.#watches.delete(inbox);
        if (registration?.sid) this.#ask("DELETE", `${me}/Registrations/${registration.sid}`).catch(() => {});
      },
    });
    this.#watches.add(inbox);
    refresh();
    return inbox;
  }

  /** Sends a message from this client; resolves with `{sid, id, status}`. `to`: a phone number, "client:NAME", or nothing
      for the only session; `from`: a number of the account, or nothing for the session's; `media`: URLs; `session`:
      seconds, opens one, so that answers come here. `id`: give the same again to try again without sending twice. */
  send(body, { to = "", from = "", media = [], session = 0, id = crypto.randomUUID() } = {}) {
    return this.#ask("POST", `/Clients/${encodeURIComponent(this.identity)}/Messages`, { id, to, from, body, media, session });
  }

  /** A new token, for what is asked from now on, and for all watches. */
  updateToken(token) {
    this.#token = token;
    for (const watch of this.#watches) watch.renewed();
  }

  /** Calls `onChange(view, message)` with everybody in view at first and then after each change, over any number of
      connections, until `close()`. `view` is a Map of name to client. `onState("open" | "waiting" | "refused", why)`. */
  watch(selection, onChange, onState = () => {}) {
    const asked = new URLSearchParams(Object.entries(selection).map(([name, value]) => [name, String(value)]));
    const watch = new Watch((headers, signal) => this.#open(`/PresenceStream?${asked}`, headers, signal), {
      onChange, onState, expiring: (seconds) => this.#expiring(seconds), closed: () => this.#watches.delete(watch),
    });
    this.#watches.add(watch);
    return watch;
  }

  /** Ends all watches. */
  close() { for (const watch of this.#watches) watch.close(); }

  #open(path, headers, signal) {
    return fetch(this.#base + path, { headers: { Authorization: `Bearer ${this.#token}`, ...headers }, signal, cache: "no-store" });
  }

  async #ask(method, path, body) {
    const answer = await fetch(this.#base + path, {
      method,
      headers: { Authorization: `Bearer ${this.#token}`, ...(body && { "Content-Type": "application/json" }) },
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(PATIENCE),
    });
    if (!answer.ok) throw await refusal(answer);
    return answer.status === 204 ? null : answer.json();
  }
}

class Watch {
  #connect; #told; #cursor = null; #ending = new AbortController(); #connection = null; #hurry = false; #wake = () => {};

  constructor(connect, told) {
    this.view = new Map();
    this.#connect = connect;
    this.#told = told;
    this.#run();
  }

  close() {
    this.#ending.abort();
    this.#connection?.abort();
    this.#wake();
    this.#told.closed();
  }

  /** There is another token, which may show others: a stream that lives on the old one is made again, from the start. */
  renewed() {
    this.#hurry = true;
    this.#cursor = null;
    this.#connection?.abort();
    this.#wake();
  }

  async #run() {
    let delay = FIRST_DELAY;
    while (!this.#ending.signal.aborted) {
      let wait = delay * (0.5 + Math.random() / 2);
      try {
        await this.#follow(() => { delay = FIRST_DELAY; });
        wait = delay * Math.random();
      } catch (fault) {
        if (this.#ending.signal.aborted) return;
        if (this.#hurry) wait = 0;
        else if (fault instanceof PresenceError && fault.status < 500 && fault.status !== 429) {
          this.#told.onState("refused", fault);
          if (fault.status !== 401) return this.close();
          this.#told.expiring(0);
          wait = Infinity;  // until there is another token
        } else {
          this.#told.onState("waiting", fault);
          wait = Math.max(wait, (fault.retryAfter ?? 0) * 1000);
        }
      }
      if (!this.#ending.signal.aborted) await this.#pause(wait);
      delay = Math.min(2 * delay, LONGEST_DELAY);
    }
  }

  /** One connection, until it ends. */
  async #follow(opened) {
    const connection = this.#connection = new AbortController();
    let deaf = setTimeout(() => connection.abort(), SILENCE);
    try {
      const answer = await this.#connect(this.#cursor === null ? {} : { "Last-Event-ID": String(this.#cursor) }, connection.signal);
      if (!answer.ok) throw await refusal(answer);
      this.#told.onState("open");
      opened();
      const parser = new EventParser(), reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let piece; !(piece = await reader.read()).done;) {
        clearTimeout(deaf);
        deaf = setTimeout(() => connection.abort(), SILENCE);
        for (const { name, data } of parser.feed(piece.value)) {
          if (name === "presence") this.#take(JSON.parse(data));
          else if (name === "message") this.#told.onMessage(JSON.parse(data));
          else if (name === "expiring") this.#told.expiring(JSON.parse(data).seconds ?? 30);
          else if (name === "ended") return;
        }
      }
    } finally {
      clearTimeout(deaf);
      connection.abort();
    }
  }

  #take(message) {
    fold(this.view, message);
    if (message.more) return;  // a snapshot in parts counts when it is whole
    this.#cursor = message.as_of;
    try { this.#told.onChange(this.view, message); } catch (fault) { console.error(fault); }
  }

  async #pause(milliseconds) {
    await new Promise((resolve) => {
      const timer = milliseconds === Infinity ? 0 : setTimeout(resolve, milliseconds);
      this.#wake = () => { clearTimeout(timer); resolve(); };
      if (this.#hurry) this.#wake();
    });
    this.#hurry = false;
  }
}

function chosen({ clients, list, prefix }) {
  if (clients) return { clients };
  return list ? { list, page_size: 1000 } : prefix ? { prefix, page_size: 1000 } : { everyone: true, page_size: 1000 };
}

/** The identity that a token says; only the server can tell whether it is right. */
function identity(token) {
  const [, claims] = token.split("."), bytes = atob(claims.replace(/-/g, "+").replace(/_/g, "/"));
  return JSON.parse(new TextDecoder().decode(Uint8Array.from(bytes, (c) => c.charCodeAt(0)))).grants.identity;
}

async function refusal(answer) {
  const said = await answer.json().catch(() => ({}));
  return new PresenceError(answer.status, said.code ?? 0, said.message ?? answer.statusText, Number(answer.headers.get("Retry-After")) || 0);
}
