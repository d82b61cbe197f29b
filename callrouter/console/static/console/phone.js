// A phone in the page: the client's side of /signal, and one RTCPeerConnection per call. Apps use the Voice SDK; this
// one exists so that the console needs nothing but a browser. One call at a time.
//
// Events: `change` when `status` or `call` did, `note` with words for the person, `over` with the call that ended.

const SILENCE = 15_000, REGISTER_EVERY = 30_000, RENEW_BEFORE = 10, LONGEST_DELAY = 20_000, PATIENCE = 10_000;
const TONE_HZ = 440;

export class Phone extends EventTarget {
  status;             // {state, text}; state: off, on or wrong
  call = null;        // {sid, placed, incoming, peer, phase, muted, reconnect, offer, pc, sound, ears}
  wanted = false;     // the person wants the line
  microphone = "";    // a device's id; empty: the usual one; "tone": a tone instead
  speaker = "";
  out = new Audio();
  #address; #askToken; #registers;
  #socket = null; #token = ""; #delay = 100; #connected = null;
  #deaf = 0; #renewal = 0; #retry = 0;  // timers: the server is silent; the token runs out; the next attempt

  // `address`: of /signal. `askToken`: a function that answers with a promise of an access token. `registers`: whether
  // the phone can be called, or only calls.
  constructor(address, askToken, { registers = true } = {}) {
    super();
    [this.#address, this.#askToken, this.#registers] = [address, askToken, registers];
    this.out.autoplay = true;
    this.#rest();
    setInterval(() => { if (this.wanted && this.#registers) this.#send("register", { media: { audio: true } }); }, REGISTER_EVERY);
    addEventListener("focus", () => this.#retryNow());
    addEventListener("pagehide", () => this.hangup());
  }

  // ---- the line ----

  // Registers, or comes back to the line; resolves when the server has taken the token.
  open() {
    this.wanted = true;
    this.#changed();
    if (this.#socket) {
      if (this.#registers) this.#send("register", { media: { audio: true } });
      return this.#connected.promise;
    }
    this.#connected ??= promised();
    this.#connect();
    return this.#connected.promise;
  }

  close() {
    this.wanted = false;
    this.#send("register", { media: { audio: false } });
    if (!this.call) this.#socket?.close(1000);
    this.#rest();
  }

  #rest() { this.#say("off", this.#registers ? "Not registered" : "No line yet"); }

  async #connect() {
    try { this.#token = await this.#askToken(); } catch (fault) { return this.#again(fault.message, fault.status >= 400 && fault.status < 500); }
    const opening = new WebSocket(this.#address);
    let opened = false;
    opening.onopen = () => { opened = true; this.#socket = opening; this.#delay = 100; this.#listen(); };
    opening.onmessage = ({ data }) => {
      clearTimeout(this.#deaf);
      this.#deaf = setTimeout(() => opening.close(), SILENCE);
      if (data === "\n") opening.send("\n");
      else this.#receive(JSON.parse(data)).catch((fault) => this.#note(`could not follow the server: ${fault.message}`));
    };
    opening.onclose = () => {
      clearTimeout(this.#deaf);
      clearTimeout(this.#renewal);
      this.#socket = null;
      if (this.call && !this.call.reconnect) this.#end("the line was lost");
      else if (this.call?.phase === "ringing") this.#end("the line was lost; it may ring again");
      else if (this.call) this.#phase("reconnecting");
      // A script is never told why it did not open; most often the certificate is not trusted yet.
      if (!opened) this.dispatchEvent(new Event("shut"));
      if (this.wanted) this.#again(`No line to ${this.#address}`);
    };
  }

  #again(why, final = false) {
    if (final) {
      this.wanted = false;
      this.#connected?.reject(new Error(why));
      this.#connected = null;
      return this.#say("wrong", why);
    }
    this.#say("wrong", `${why}; trying again`);
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#retryNow(), this.#delay * (0.6 + 0.8 * Math.random()));
    this.#delay = Math.min(2 * this.#delay, LONGEST_DELAY);
  }

  // The next attempt, if one is due later; also when the person comes back to the page.
  #retryNow() {
    if (!this.#retry) return;
    clearTimeout(this.#retry);
    this.#retry = 0;
    if (this.wanted && !this.#socket) this.#connect();
  }

  #send(type, payload) { this.#socket?.send(JSON.stringify({ type, payload, version: "1.6" })); }

  #listen() {
    const browserinfo = { browser: { platform: "web", userAgent: navigator.userAgent }, p: "browser", plugin: "rtc" };
    this.#send("listen", { token: this.#token, browserinfo, reconnectTimeout: 30 });
  }

  async #renew() { this.#token = await this.#askToken().catch(() => this.#token); this.#listen(); }

  async #present(token) {
    this.#token = token;
    this.#connected = promised();
    this.#listen();
    await within(PATIENCE, this.#connected.promise, "the server did not take the token in time");
  }

  // A token for what the page has chosen since, if there is a line.
  refresh() { if (this.#socket) this.#renew(); }

  async #receive({ type, payload = {} }) {
    const call = this.call;
    const ours = call && (!payload.callsid || payload.callsid === call.sid || payload.callsid === call.placed);
    if (type === "connected") {
      const life = payload.token?.ttl;
      clearTimeout(this.#renewal);
      if (life) this.#renewal = setTimeout(() => this.#renew(), Math.max(0, life - RENEW_BEFORE) * 1000);
      if (call?.reconnect && call.phase !== "ringing") {
        this.#send("invite", { callsid: call.sid, sdp: call.pc.localDescription.sdp, reconnect: call.reconnect, twilio: {} });
      }
      if (this.#registers && this.wanted) this.#send("register", { media: { audio: true } });
      else this.#say("on", "Ready");
      this.#connected ??= promised();
      this.#connected.resolve();
    } else if (type === "ready") this.#say("on", "Registered");
    else if (type === "offline") this.#say("off", "Not registered");
    else if (type === "error") {
      const said = `Error ${payload.error?.code}: ${payload.error?.message}`;
      if (ours && call.phase === "calling") this.#end(said);
      this.#say("wrong", said);
    } else if (type === "close") {
      this.wanted = false;
      this.#socket?.close();
      this.#changed();
    } else if (type === "invite" && !call) {
      const peer = payload.parameters?.From ?? "unknown";
      this.call = { sid: payload.callsid, incoming: true, peer, offer: payload.sdp, reconnect: payload.reconnect };
      this.#phase("ringing");
    } else if ((type === "ringing" || type === "answer") && call && (ours || call.sid === call.placed)) {
      call.sid = payload.callsid ?? call.sid;
      call.reconnect = payload.reconnect ?? call.reconnect;
      if (payload.sdp && call.pc.signalingState === "have-local-offer") {
        await call.pc.setRemoteDescription({ type: "answer", sdp: payload.sdp });
      }
      this.#phase(type === "answer" ? "talking" : "ringing there");
    } else if (type === "cancel" && ours) this.#end("cancelled");
    else if (type === "hangup" && ours && call.phase !== "ringing") {
      this.#end(payload.error ? `ended: ${payload.error.code} ${payload.error.message}` : "ended by the other side");
    }
  }

  // ---- a call ----

  // Calls whom the token's application makes of it. `more`: further parameters for it. `token`: another one for this call.
  async dial(to, more = {}, token = null) {
    const placed = `TJS${crypto.randomUUID()}`;
    const call = this.call = { sid: placed, placed, incoming: false, peer: to };
    this.#phase("calling");
    try {
      await within(PATIENCE, this.open(), "the server did not take the line in time");
      if (token) await this.#present(token);
      await this.#join(call);
      if (this.call !== call) return;
      await call.pc.setLocalDescription();
      const params = String(new URLSearchParams({ To: to, ...more }));
      this.#send("invite", { callsid: placed, sdp: call.pc.localDescription.sdp, twilio: { params } });
    } catch (fault) { this.#fail(call, fault); }
  }

  async answer() {
    const call = this.call;
    this.#phase("answering");
    try {
      await this.#join(call);
      if (this.call !== call) return;
      await call.pc.setRemoteDescription({ type: "offer", sdp: call.offer });
      await call.pc.setLocalDescription();
      this.#send("answer", { callsid: call.sid, sdp: call.pc.localDescription.sdp });
      this.#phase("talking");
    } catch (fault) { this.#fail(call, fault); }
  }

  // Hangs up; rejects a call that still rings here.
  hangup() {
    if (!this.call) return;
    const rings = this.call.incoming && this.call.phase === "ringing";
    this.#send(rings ? "reject" : "hangup", { callsid: this.call.sid });
    this.#end(rings ? "rejected" : "hung up");
  }

  press(digit) {
    if (this.call?.phase !== "talking") return;
    this.#send("dtmf", { callsid: this.call.sid, dtmf: digit });
    this.#note(`pressed ${digit}`);
  }

  mute(muted) {
    if (!this.call) return;
    this.call.muted = muted;
    this.call.sound?.stream.getTracks().forEach((track) => { track.enabled = !muted; });
    this.#changed();
  }

  // What is heard and what is said just now, each 0 to 1.
  levels() { return this.call?.ears?.levels() ?? { heard: 0, said: 0 }; }

  async #join(call) {
    const sound = await this.#sound();
    if (this.call !== call) return sound.stop();
    call.sound = sound;
    const pc = call.pc = new RTCPeerConnection();
    call.ears = ears(sound.stream);
    pc.ontrack = ({ streams: [stream] }) => {
      this.out.srcObject = stream;
      if (this.speaker) this.out.setSinkId?.(this.speaker).catch(() => this.#note("the chosen speaker is gone; the usual one is used"));
      call.ears.hear(stream);
    };
    pc.oniceconnectionstatechange = () => { if (pc.iceConnectionState === "failed" && this.call === call) this.#restart(call); };
    sound.stream.getTracks().forEach((track) => pc.addTrack(track, sound.stream));
  }

  // The microphone; a tone where there is none, so that a call can be tried all the same.
  async #sound() {
    if (this.microphone === "tone") return tone();
    try {
      if (!navigator.mediaDevices) throw new DOMException("", "InsecurePage");
      const audio = this.microphone ? { deviceId: { exact: this.microphone } } : true;
      const stream = await navigator.mediaDevices.getUserMedia({ audio });
      return { stream, stop: () => stream.getTracks().forEach((track) => track.stop()) };
    } catch (fault) {
      this.#note(`${MICROPHONE[fault.name] ?? `the microphone does not work (${fault.name})`}; a tone is sent instead`);
      return tone();
    }
  }

  async #restart(call) {
    await call.pc.setLocalDescription(await call.pc.createOffer({ iceRestart: true }));
    this.#send("reinvite", { callsid: call.sid, sdp: call.pc.localDescription.sdp });
  }

  #fail(call, fault) {
    if (this.call !== call) return;
    this.#send(call.incoming ? "reject" : "hangup", { callsid: call.sid });
    this.#end(fault.message);
  }

  #end(why) {
    const call = this.call;
    this.#note(`${call.peer}: ${why}`);
    call.pc?.close();
    call.sound?.stop();
    call.ears?.close();
    this.out.srcObject = null;
    this.call = null;
    this.#changed();
    this.dispatchEvent(new CustomEvent("over", { detail: { call, why } }));
    if (!this.wanted) this.#socket?.close(1000);
  }

  #phase(text) {
    if (!this.call) return;
    if (this.call.phase !== text) this.#note(`${this.call.peer}: ${text}`);
    this.call.phase = text;
    this.#changed();
  }

  #say(state, text) { this.status = { state, text }; this.#changed(); }
  #note(text) { this.dispatchEvent(new CustomEvent("note", { detail: text })); }
  #changed() { this.dispatchEvent(new Event("change")); }
}

const MICROPHONE = {
  NotAllowedError: "the browser refused the microphone: allow it beside the address",
  NotFoundError: "this machine has no microphone",
  NotReadableError: "another program holds the microphone",
  OverconstrainedError: "the chosen microphone is gone",
  InsecurePage: "browsers give the microphone only to https and localhost",
};

// A promise that somebody may leave without harm.
function promised() {
  const made = Promise.withResolvers?.() ?? (() => {
    const parts = {};
    parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
    return parts;
  })();
  made.promise.catch(() => {});
  return made;
}

function within(milliseconds, work, otherwise) {
  return Promise.race([work, new Promise((_, reject) => setTimeout(() => reject(new Error(otherwise)), milliseconds))]);
}

function tone() {
  const context = new AudioContext(), oscillator = context.createOscillator(), volume = context.createGain();
  const end = context.createMediaStreamDestination();
  oscillator.frequency.value = TONE_HZ;
  volume.gain.value = 0.2;
  oscillator.connect(volume).connect(end);
  oscillator.start();
  return { stream: end.stream, stop: () => context.close() };
}

function ears(own) {
  const context = new AudioContext();
  const listen = (stream) => {
    const ear = context.createAnalyser();
    context.createMediaStreamSource(stream).connect(ear);
    return { ear, samples: new Float32Array(ear.fftSize) };
  };
  const loudness = (one) => {
    if (!one) return 0;
    one.ear.getFloatTimeDomainData(one.samples);
    return Math.min(1, 3 * Math.hypot(...one.samples) / Math.sqrt(one.samples.length));
  };
  const said = listen(own);
  let heard = null;
  return {
    hear: (stream) => { heard = listen(stream); },
    levels: () => ({ heard: loudness(heard), said: loudness(said) }),
    close: () => context.close().catch(() => {}),
  };
}
