// The page: sound from a microphone or a file to the server, and what it says about it.
import { Layer, Spectrogram, drawInput } from "./drawing.js";

const SUBPROTOCOL = "twofold.live.1";
const BEHIND = 4; // seconds of sound that may wait to be sent; what comes then is left out
const $ = (id) => document.getElementById(id);
const number = (value) => value.toLocaleString("en");
const bytes = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));

let token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
let session = null;
const spectrogram = new Spectrogram($("spectrogram"));

function say(text, bad = false) {
  $("status").textContent = text;
  $("status").classList.toggle("bad", bad);
}

// The networks that listen. Asks for the token where the server wants one.
async function begin() {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const answer = await fetch("live", { headers }).catch(() => null);
  $("access").hidden = answer?.status !== 401;
  if (!answer?.ok) {
    const known = answer && (await answer.json().catch(() => null));
    say(known?.error ?? "The server does not answer.", true);
    if (answer?.status === 401) $("token").focus();
    return;
  }
  const names = await answer.json();
  $("model").replaceChildren(...names.map((name) => new Option(name, name)));
  $("choice").hidden = names.length < 2;
  for (const id of ["microphone", "file"]) $(id).disabled = !names.length;
  if (!names.length) say("No network that is served here finds words in audio.", true);
}

// One connection: sound goes out, windows come in.
class Session {
  constructor(name, rate) {
    const base = new URL(".", location.href);
    base.protocol = base.protocol === "https:" ? "wss:" : "ws:";
    const secret = btoa(token).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
    const offered = token ? [SUBPROTOCOL, `bearer.${secret}`] : [SUBPROTOCOL];
    this.rate = rate;
    this.left = 0;
    this.layers = null;
    this.logits = new Map();
    this.checked = this.equal = 0;
    this.times = [];
    this.ended = false;
    this.socket = new WebSocket(new URL(`live/${name}?rate=${rate}`, base), offered);
    this.socket.binaryType = "arraybuffer";
    this.socket.onmessage = ({ data }) => this.take(JSON.parse(data));
    this.socket.onclose = ({ code }) => this.over(code);
  }

  send(samples) {
    if (this.socket.readyState !== WebSocket.OPEN) return;
    if (this.socket.bufferedAmount > 4 * BEHIND * this.rate) {
      this.left += samples.length / this.rate;
      say(`The server is slower than the sound: ${this.left.toFixed(1)} s were left out.`, true);
      return;
    }
    this.socket.send(samples);
  }

  end() {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send("end");
    else this.socket.close();
    this.ended = true;
  }

  take(message) {
    if (message.error) {
      this.error = message.error;
      return;
    }
    if (message.labels) this.introduce(message);
    for (const window of message.windows ?? []) this.show(window);
    for (const look of message.looks ?? []) this.look(look);
    if (message.served !== undefined) this.count(message);
  }

  introduce(hello) {
    this.hello = hello;
    this.layers = (clearLayers(), hello.layers.map((layer) => new Layer(layer, $("layers"))));
    $("device").textContent = `${hello.model} on ${hello.device}`;
    $("device").hidden = !hello.device;
    $("simulated").hidden = !hello.simulated;
    $("dense").textContent = `of ${number(hello.multiplications)} dense`;
    const words = hello.labels.filter((label) => label !== "silence" && label !== "unknown");
    $("words-known").textContent = `It knows ${words.join(", ")}.`;
    this.rows = hello.labels.map((label) => {
      const row = document.createElement("tr");
      row.innerHTML = '<th scope="row"></th><td aria-hidden="true"><span class="bar"><span></span></span></td><td></td>';
      row.cells[0].textContent = label;
      return row;
    });
    $("posteriors").tBodies[0].replaceChildren(...this.rows);
  }

  show(window) {
    $("seconds").textContent = `${window.end.toFixed(1)} s`;
    $("delay").textContent = `${window.delay_ms.toFixed(1)} ms`;
    $("loudness").textContent = `${window.loudness.toFixed(0)} dB`;
    const p = window.p ?? this.rows.map(() => 0), best = window.p ? Math.max(...p) : 2;
    p.forEach((value, index) => {
      const row = this.rows[index];
      row.classList.toggle("best", value === best);
      row.querySelector(".bar > span").style.transform = `scaleX(${value})`;
      row.cells[2].textContent = window.p ? `${(100 * value).toFixed(1)} %` : "-";
    });
    if (window.image) drawInput($("input"), bytes(window.image));
    if (window.logits) this.logits.set(window.index, window.logits.join());
    if (window.word) this.found(window.word);
    while (this.logits.size > 512) this.logits.delete(this.logits.keys().next().value);
  }

  found(word) {
    $("word").textContent = word.label;
    const note = document.createElement("small");
    note.textContent = ` ${(100 * word.score).toFixed(0)} %`;
    $("word").append(note);
    spectrogram.mark(word.label);
    const item = document.createElement("li");
    item.innerHTML = "<time></time><b></b><span></span>";
    item.children[0].textContent = `${word.time.toFixed(1)} s`;
    item.children[1].textContent = word.label;
    item.children[2].textContent = `${(100 * word.score).toFixed(0)} %`;
    $("log").prepend(item);
    while ($("log").children.length > 200) $("log").lastElementChild.remove();
  }

  look(look) {
    look.winners.forEach((winners, index) => this.layers[index].draw(bytes(winners)));
    const dense = this.hello.multiplications;
    $("multiplications").textContent = number(look.multiplications);
    $("dense").textContent =
      `of ${number(dense)} dense, 1/${Math.round(dense / look.multiplications)}`;
    $("share").style.transform = `scaleX(${look.multiplications / dense})`;
    const told = this.logits.get(look.index);
    if (told === undefined) return;
    this.checked++;
    this.equal += told === look.logits.join();
    $("bits").textContent = this.equal === this.checked
      ? `Logits of ${number(this.checked)} windows equal the golden model's, bit for bit.`
      : `${number(this.checked - this.equal)} of ${number(this.checked)} windows differ from the golden model!`;
  }

  count({ windows, served }) {
    const now = performance.now();
    this.times.push([now, windows.length, served]);
    while (now - this.times[0][0] > 3000) this.times.shift();
    const [first, , begun] = this.times[0], passed = (now - first) / 1000;
    if (passed < 0.5) return;
    const own = this.times.slice(1).reduce((sum, [, count]) => sum + count, 0);
    $("rate").textContent = (own / passed).toFixed(1);
    $("all").textContent = ((served - begun) / passed).toFixed(1);
  }

  over(code) {
    if (session === this) stop();
    const reason = this.error ?? REASONS[code] ??
      (this.hello ? `The connection was lost (${code}).` : "The server refused the connection; it may be full.");
    say(reason, code !== 1000);
  }
}

const REASONS = {
  1000: "Done.", 1009: "A piece of sound was too long.", 1012: "The server was stopped.",
};

function clearLayers() {
  $("layers").replaceChildren($("layers").firstElementChild);
}

let release = null; // ends the source of sound

function stop() {
  release?.();
  release = null;
  session?.end();
  session = null;
  $("microphone").setAttribute("aria-pressed", "false");
  $("microphone").textContent = "Listen to the microphone";
}

// Draws while there is sound.
function drawing(analyser) {
  let running = true;
  const step = () => {
    if (!running) return;
    spectrogram.draw(analyser);
    requestAnimationFrame(step);
  };
  spectrogram.clear();
  requestAnimationFrame(step);
  return () => { running = false; };
}

function analyserOf(context, source) {
  const analyser = context.createAnalyser();
  analyser.fftSize = 2048;
  analyser.smoothingTimeConstant = 0;
  source.connect(analyser);
  return analyser;
}

async function microphone() {
  if (!navigator.mediaDevices || !window.AudioWorkletNode)
    throw new Error("A browser gives the microphone to pages of this machine, or over https, alone. A recording works here.");
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
  });
  const context = new AudioContext();
  await context.audioWorklet.addModule("microphone.js");
  const source = context.createMediaStreamSource(stream);
  const node = new AudioWorkletNode(context, "microphone", { numberOfOutputs: 0 });
  source.connect(node);
  const still = drawing(analyserOf(context, source));
  const mine = new Session($("model").value, context.sampleRate);
  node.port.onmessage = ({ data }) => mine.send(new Float32Array(data));
  session = mine;
  release = () => {
    still();
    node.port.onmessage = null;
    for (const track of stream.getTracks()) track.stop();
    context.close();
  };
  $("microphone").setAttribute("aria-pressed", "true");
  $("microphone").textContent = "Stop listening";
  say("Listening to the microphone.");
}

// Sent as fast as it is heard.
async function recording(file) {
  const context = new AudioContext();
  let sound;
  try {
    sound = await context.decodeAudioData(await file.arrayBuffer());
  } catch {
    context.close();
    throw new Error(`${file.name}: the browser cannot read this as audio.`);
  }
  const samples = new Float32Array(sound.length);
  for (let channel = 0; channel < sound.numberOfChannels; channel++) {
    const one = sound.getChannelData(channel);
    for (let at = 0; at < samples.length; at++) samples[at] += one[at] / sound.numberOfChannels;
  }
  const source = new AudioBufferSourceNode(context, { buffer: sound });
  source.connect(context.destination);
  const still = drawing(analyserOf(context, source));
  const mine = new Session($("model").value, sound.sampleRate);
  const piece = Math.round(sound.sampleRate / 16);
  let sent = 0, begun = null;
  const timer = setInterval(() => {
    if (mine.socket.readyState !== WebSocket.OPEN) return;
    if (begun === null) {
      begun = performance.now();
      source.start();
    }
    const due = Math.min((performance.now() - begun) / 1000 * sound.sampleRate, samples.length);
    for (; sent < due && (sent + piece <= due || due === samples.length); sent += piece)
      mine.send(samples.slice(sent, sent + piece));
    if (sent >= samples.length) {
      clearInterval(timer);
      mine.end();
    }
  }, 30);
  session = mine;
  release = () => {
    still();
    clearInterval(timer);
    context.close();
  };
  say(`Playing ${file.name}, ${sound.duration.toFixed(1)} s.`);
}

async function listen(source) {
  stop();
  $("word").innerHTML = '<span class="none">listening</span>';
  try {
    await source();
  } catch (error) {
    stop();
    say(error.name === "NotAllowedError" ? "The microphone was not allowed." :
      error.name === "NotFoundError" ? "There is no microphone." : error.message, true);
  }
}

$("microphone").onclick = () => {
  if ($("microphone").getAttribute("aria-pressed") === "true") {
    stop();
    say("Stopped.");
  } else listen(microphone);
};
$("file").onchange = ({ target }) => {
  const [file] = target.files;
  target.value = "";
  if (file) listen(() => recording(file));
};
for (const kind of ["dragover", "dragleave", "drop"])
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", kind === "dragover");
    const file = kind === "drop" && event.dataTransfer.files[0];
    if (file) listen(() => recording(file));
  });
$("access").onsubmit = (event) => {
  event.preventDefault();
  token = $("token").value;
  begin().then(() => { if ($("access").hidden) say("Nothing is heard yet."); });
};
begin();
