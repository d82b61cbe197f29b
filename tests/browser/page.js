// One client app: an unmodified Twilio.Device, its calls by number, and a journal of what they report.
// Tests reach it by `window.app`; everything that goes in or out is JSON.

const DEVICE_EVENTS = ['registered', 'unregistered', 'error', 'incoming', 'tokenWillExpire', 'destroyed'];
const CALL_EVENTS = ['accept', 'cancel', 'disconnect', 'error', 'reject', 'ringing', 'reconnecting', 'reconnected',
  'messageReceived', 'messageSent'];
const SOUNDS = ['incoming', 'outgoing', 'disconnect', 'dtmfs', 'dtmfh', ...Array.from({length: 10}, (_, n) => `dtmf${n}`)];

// The fake microphone plays a steady tone, which these would take for noise.
const RAW_AUDIO = {audio: {echoCancellation: false, noiseSuppression: false, autoGainControl: false}};
const FFT_SIZE = 32768;
const QUIET = -70; // dB below full scale
const FAINT = 20; // dB below the strongest tone: no tone of its own

const journal = []; // {call, name, detail}; call: a number, or null for the device
const waiting = new Set();
const calls = [];
let device;

function note(call, name, detail) {
  journal.push({call, name, detail});
  waiting.forEach(look => look());
}

// The first such event that no one has taken yet; rejects after `seconds`.
function wait(call, name, seconds) {
  return new Promise((resolve, reject) => {
    const look = () => {
      const at = journal.findIndex(event => event.call === call && event.name === name);
      if (at < 0) return;
      clearTimeout(timer);
      waiting.delete(look);
      resolve(journal.splice(at, 1)[0].detail);
    };
    const timer = setTimeout(() => {
      waiting.delete(look);
      reject(new Error(`no ${name} within ${seconds} s; untaken: ${JSON.stringify(journal)}`));
    }, seconds * 1000);
    waiting.add(look);
    look();
  });
}

function describe(value) {
  if (value?.code) return {code: value.code, message: value.message};
  if (value?.voiceEventSid) return {content: value.content, sid: value.voiceEventSid};
  return typeof value === 'boolean' ? value : null;
}

function adopt(call) {
  const number = calls.push(call) - 1;
  CALL_EVENTS.forEach(name => call.on(name, value => note(number, name, describe(value))));
  return number;
}

const ofDevice = {
  open(token, options) {
    const sounds = Object.fromEntries(SOUNDS.map(name => [name, new URL('silence.wav', location).href]));
    device = new Twilio.Device(token, {sounds, ...options});
    for (const name of DEVICE_EVENTS) {
      device.on(name, value => note(null, name, name === 'incoming' ? adopt(value) : describe(value)));
    }
  },
  register: () => device.register(),
  unregister: () => device.unregister(),
  destroy: () => device.destroy(),
  updateToken: token => device.updateToken(token),
  connect: async options => adopt(await device.connect({rtcConstraints: RAW_AUDIO, ...options})),
  device: () => ({state: device.state, identity: device.identity, busy: device.isBusy, calls: device.calls.length}),
};

const ofCall = {
  accept: call => call.accept({rtcConstraints: RAW_AUDIO}),
  reject: call => call.reject(),
  ignore: call => call.ignore(),
  disconnect: call => call.disconnect(),
  press: (call, digits) => call.sendDigits(digits),
  send: (call, content) => call.sendMessage({content, messageType: 'user-defined-message'}),
  call: call => ({
    status: call.status(),
    parameters: call.parameters,
    custom: Object.fromEntries(call.customParameters),
    connectToken: call.connectToken,
  }),
  hears: async call => (await ear(call)).tones()[0] ?? null,
  tones: async call => (await ear(call)).tones(),
};

// presence.js, from the server, as a page of another origin has it.
let presence;
const ofPresence = {
  async look({host, ...options}) {
    const {Presence} = await import(`https://${host}/presence.js`);
    presence = new Presence({host, ...options, expiring: seconds => note(null, 'expiring', seconds)});
  },
  watch(selection) {
    const told = view => note(null, 'view', Object.fromEntries([...view].map(([name, one]) => [name, [one.status, one.note]])));
    presence.watch(selection, told, (state, fault) => note(null, state, fault?.code ?? null));
  },
  inbox(device) {
    presence.messages(device, message => note(null, 'message', message), {
      onState: (state, fault) => note(null, state, fault?.code ?? null),
    });
  },
  presence: (method, ...args) => presence[method](...args),
};

const ear = async call => call.ear ??= await listen(call.getRemoteStream());

async function listen(stream) {
  const context = new AudioContext();
  await context.resume();
  const analyser = new AnalyserNode(context, {fftSize: FFT_SIZE, smoothingTimeConstant: 0});
  const source = context.createMediaStreamSource(stream);
  source.connect(analyser);
  return {
    // The tones of the last 0.7 s in Hz, the strongest first; none for silence.
    tones() {
      const levels = new Float32Array(analyser.frequencyBinCount);
      analyser.getFloatFrequencyData(levels);
      const floor = Math.max(QUIET, levels.reduce((best, level) => Math.max(best, level)) - FAINT);
      const peaks = [...levels.keys()].filter(at => levels[at] > floor && levels[at] >= Math.max(...levels.slice(Math.max(0, at - 10), at + 10)));
      return peaks.sort((one, other) => levels[other] - levels[one]).map(at => at * context.sampleRate / FFT_SIZE);
    },
    source, // kept: a node that nothing refers to falls silent
  };
}

window.app = {
  wait,
  ...ofDevice,
  ...ofPresence,
  ...Object.fromEntries(Object.entries(ofCall).map(([name, act]) => [name, (number, ...args) => act(calls[number], ...args)])),
};
