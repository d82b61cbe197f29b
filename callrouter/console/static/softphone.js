// A development softphone: the client's side of /signal and one RTCPeerConnection per call. Apps use the Voice SDK;
// this page exists to try an installation with nothing but a browser. One call at a time.

const $ = (id) => document.getElementById(id);
const { signal, tokenUrl } = document.body.dataset;
const SILENCE = 15_000, REGISTER_EVERY = 30_000, RENEW_BEFORE = 10, LONGEST_DELAY = 20_000;

let socket = null, token = "", delay = 100;  // the open WebSocket; ms until the next reconnect
let wanted = false;                          // the person wants to be registered
let deaf = 0, renewal = 0, retry = 0;        // timers: the server is silent; the token runs out; the next attempt
let call = null;                             // {sid, placed, incoming, phase, peer, reconnect, offer, pc, mic}

// ---- the line ----

async function connect() {
  try { token = await fetchToken(); } catch (fault) { return again(`No token: ${fault.message}`); }
  const opening = new WebSocket(`wss://${signal}/signal`);
  opening.onopen = () => { socket = opening; delay = 100; $("trust").hidden = true; listen(); };
  opening.onmessage = ({ data }) => {
    clearTimeout(deaf);
    deaf = setTimeout(() => opening.close(), SILENCE);
    if (data === "\n") opening.send("\n");
    else receive(JSON.parse(data)).catch((fault) => note(`could not follow the server: ${fault.message}`));
  };
  opening.onclose = () => {
    clearTimeout(deaf);
    clearTimeout(renewal);
    if (!socket) $("trust").hidden = false;  // it never opened: most often the certificate, which no script is told
    socket = null;
    if (call && !call.reconnect) end("the line was lost");
    else if (call?.phase === "ringing") end("the line was lost; it may ring again");
    else if (call) phase("reconnecting");
    if (wanted) again(`No line to ${signal}`);
    else if ($("status").dataset.state !== "wrong") status("off", "Not registered");
  };
}

function again(why) {
  status("wrong", `${why}; trying again`);
  clearTimeout(retry);
  retry = setTimeout(retryNow, delay * (0.6 + 0.8 * Math.random()));
  delay = Math.min(2 * delay, LONGEST_DELAY);
}

// The next attempt, if one is due later; also when the person comes back from trusting the certificate.
function retryNow() {
  if (!retry) return;
  clearTimeout(retry);
  retry = 0;
  if (wanted && !socket) connect();
}
addEventListener("focus", retryNow);

async function fetchToken() {
  const answer = await fetch(`${tokenUrl}?identity=${encodeURIComponent($("identity").value)}`);
  if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
  return (await answer.json()).token;
}

function send(type, payload) { socket?.send(JSON.stringify({ type, payload, version: "1.6" })); }

function listen() {
  const browserinfo = { browser: { platform: "web", userAgent: navigator.userAgent }, p: "browser", plugin: "rtc" };
  send("listen", { token, browserinfo, reconnectTimeout: 30 });
}
setInterval(() => { if (wanted) send("register", { media: { audio: true } }); }, REGISTER_EVERY);

async function receive({ type, payload = {} }) {
  const ours = call && (!payload.callsid || payload.callsid === call.sid || payload.callsid === call.placed);
  if (type === "connected") {
    const life = payload.token?.ttl;
    clearTimeout(renewal);
    if (life) renewal = setTimeout(renew, Math.max(0, life - RENEW_BEFORE) * 1000);
    if (call?.reconnect && call.phase !== "ringing") {
      send("invite", { callsid: call.sid, sdp: call.pc.localDescription.sdp, reconnect: call.reconnect, twilio: {} });
    }
    if (wanted) send("register", { media: { audio: true } });
  } else if (type === "ready") status("on", `Registered as ${$("identity").value}`);
  else if (type === "offline") status("off", "Not registered");
  else if (type === "error") status("wrong", `Error ${payload.error?.code}: ${payload.error?.message}`);
  else if (type === "close") {
    wanted = false;
    buttons();
    socket?.close();
  } else if (type === "invite" && !call) {
    const peer = payload.parameters?.From ?? "unknown";
    call = { sid: payload.callsid, incoming: true, peer, offer: payload.sdp, reconnect: payload.reconnect };
    phase("ringing");
    $("answer").focus();
  } else if ((type === "ringing" || type === "answer") && call && (ours || call.sid === call.placed)) {
    call.sid = payload.callsid ?? call.sid;
    call.reconnect = payload.reconnect ?? call.reconnect;
    if (payload.sdp && call.pc.signalingState === "have-local-offer") {
      await call.pc.setRemoteDescription({ type: "answer", sdp: payload.sdp });
    }
    phase(type === "answer" ? "talking" : "ringing there");
  } else if (type === "cancel" && ours) end("cancelled");
  else if (type === "hangup" && ours && call.phase !== "ringing") {
    end(payload.error ? `ended: ${payload.error.code} ${payload.error.message}` : "ended by the other side");
  }
}

async function renew() { token = await fetchToken().catch(() => token); listen(); }

// ---- a call ----

async function open() {
  const mic = await navigator.mediaDevices.getUserMedia({ audio: true });
  if (!call) return mic.getTracks().forEach((track) => track.stop());
  call.mic = mic;
  call.pc = new RTCPeerConnection();
  call.pc.ontrack = ({ streams: [stream] }) => { $("sound").srcObject = stream; watch(stream); };
  call.pc.oniceconnectionstatechange = () => { if (call?.pc.iceConnectionState === "failed") restart(); };
  mic.getTracks().forEach((track) => call.pc.addTrack(track, mic));
}

async function dial(to) {
  const placed = `TJS${crypto.randomUUID()}`;
  call = { sid: placed, placed, incoming: false, peer: to };
  phase("calling");
  await open();
  if (!call) return;
  await call.pc.setLocalDescription();
  send("invite", { callsid: placed, sdp: call.pc.localDescription.sdp, twilio: { params: String(new URLSearchParams({ To: to })) } });
}

async function answer() {
  phase("answering");
  await open();
  if (!call) return;
  await call.pc.setRemoteDescription({ type: "offer", sdp: call.offer });
  await call.pc.setLocalDescription();
  send("answer", { callsid: call.sid, sdp: call.pc.localDescription.sdp });
  phase("talking");
}

async function restart() {
  await call.pc.setLocalDescription(await call.pc.createOffer({ iceRestart: true }));
  send("reinvite", { callsid: call.sid, sdp: call.pc.localDescription.sdp });
}

function leave(how) {
  if (!call) return;
  send(how, { callsid: call.sid });
  end(how === "reject" ? "rejected" : "hung up");
}

function press(digit) {
  if (call?.phase === "talking") { send("dtmf", { callsid: call.sid, dtmf: digit }); note(`pressed ${digit}`); }
}

function end(why) {
  note(`${call.peer}: ${why}`);
  call.pc?.close();
  call.mic?.getTracks().forEach((track) => track.stop());
  $("sound").srcObject = null;
  call = null;
  buttons();
}

function watch(stream) {
  const context = new AudioContext(), ear = context.createAnalyser(), samples = new Float32Array(ear.fftSize);
  context.createMediaStreamSource(stream).connect(ear);
  const watching = call, timer = setInterval(() => {
    if (call !== watching) { clearInterval(timer); context.close(); $("level").value = 0; return; }
    ear.getFloatTimeDomainData(samples);
    $("level").value = Math.min(1, 3 * Math.hypot(...samples) / Math.sqrt(samples.length));
  }, 100);
}

// ---- the page ----

function status(state, text) { $("status").dataset.state = state; $("status").textContent = text; }
function phase(text) {
  if (!call) return;
  if (call.phase !== text) note(`${call.peer}: ${text}`);
  call.phase = text;
  buttons();
}

function note(text) {
  const line = document.createElement("li");
  line.textContent = `${new Date().toLocaleTimeString()} ${text}`;
  $("log").prepend(line);
  while ($("log").children.length > 50) $("log").lastChild.remove();
}

function buttons() {
  const rings = call?.incoming && call.phase === "ringing";
  document.title = rings ? `☎ ${call.peer} is calling` : "Softphone · callrouter";
  $("call").hidden = !call;
  $("dial").hidden = Boolean(call);
  $("answer").hidden = $("reject").hidden = !rings;
  $("hangup").hidden = $("mute").hidden = $("keys").hidden = Boolean(rings);
  $("peer").textContent = call?.peer ?? "";
  $("phase").textContent = call?.phase ?? "";
  $("identity").disabled = wanted;
  $("toggle").textContent = wanted ? "Unregister" : "Register";
  if (!call) $("mute").ariaPressed = "false";
}

const attempt = (work) => work.catch((fault) => { note(fault.message); leave("hangup"); });
$("register").onsubmit = (event) => {
  event.preventDefault();
  wanted = !wanted;
  buttons();
  if (!wanted) { send("register", { media: { audio: false } }); if (!call) socket?.close(1000); }
  else if (socket) send("register", { media: { audio: true } });
  else connect();
};
$("dial").onsubmit = (event) => {
  event.preventDefault();
  if (socket) attempt(dial($("to").value.trim()));
  else note("register first: a call needs the line");
};
$("answer").onclick = () => attempt(answer());
$("reject").onclick = () => leave("reject");
$("hangup").onclick = () => leave("hangup");
$("mute").onclick = () => {
  const muted = $("mute").ariaPressed !== "true";
  $("mute").ariaPressed = String(muted);
  call?.mic?.getTracks().forEach((track) => { track.enabled = !muted; });
};
for (const digit of "123456789*0#") {
  const key = document.createElement("button");
  key.type = "button";
  key.textContent = digit;
  key.onclick = () => press(digit);
  $("keys").append(key);
}
document.onkeydown = ({ key, target, ctrlKey, metaKey, altKey }) => {
  if (ctrlKey || metaKey || altKey || target.tagName === "INPUT") return;
  if (/^[0-9*#]$/.test(key)) press(key);
  else if (key === "Escape" && call) leave(call.phase === "ringing" ? "reject" : "hangup");
};
addEventListener("pagehide", () => { if (call) leave(call.phase === "ringing" ? "reject" : "hangup"); });
buttons();
