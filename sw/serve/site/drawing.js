// Pictures: the spectrogram of the sound, what the network sees, and the winners of its layers.

const style = () => getComputedStyle(document.documentElement);
const colour = (name) => style().getPropertyValue(name).trim();

function components(name) {
  const hex = colour(name);
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

const mel = (hertz) => 2595 * Math.log10(1 + hertz / 700);
const hertz = (value) => 700 * (10 ** (value / 2595) - 1);
const LOW = 40, HIGH = 8000, QUIET = -105, LOUD = -30;

// A spectrogram that scrolls: a column for every call of `draw`.
export class Spectrogram {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { willReadFrequently: true });
    this.speed = 2;
    new ResizeObserver(() => this.fit()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.clear());
  }

  clear() {
    this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
  }

  // A pixel of the picture for each of the page; begins anew where that changes.
  fit() {
    const { clientWidth, clientHeight } = this.canvas;
    if (!clientWidth || !clientHeight) return;
    if (this.canvas.width === clientWidth && this.canvas.height === clientHeight) return;
    this.canvas.width = clientWidth;
    this.canvas.height = clientHeight;
  }

  // `analyser` hears the sound that is drawn.
  draw(analyser) {
    const { width, height } = this.canvas;
    const bins = new Float32Array(analyser.frequencyBinCount);
    analyser.getFloatFrequencyData(bins);
    const size = analyser.context.sampleRate / 2 / bins.length;
    const dark = components("--dark-cell"), lit = components("--lit");
    this.context.drawImage(this.canvas, -this.speed, 0);
    const column = this.context.createImageData(this.speed, height);
    for (let row = 0; row < height; row++) {
      const edge = (at) => hertz(mel(LOW) + (mel(HIGH) - mel(LOW)) * (at / height));
      const first = Math.min(Math.floor(edge(height - 1 - row) / size), bins.length - 1);
      const last = Math.min(Math.max(Math.ceil(edge(height - row) / size), first + 1), bins.length);
      let loudest = -Infinity;
      for (let bin = first; bin < last; bin++) loudest = Math.max(loudest, bins[bin]);
      const share = Math.min(Math.max((loudest - QUIET) / (LOUD - QUIET), 0), 1) ** 1.5;
      for (let x = 0; x < this.speed; x++) {
        const at = 4 * (row * this.speed + x);
        for (let one = 0; one < 3; one++)
          column.data[at + one] = dark[one] + (lit[one] - dark[one]) * share;
        column.data[at + 3] = 255;
      }
    }
    this.context.putImageData(column, width - this.speed, 0);
  }

  // A word at the right end; it scrolls away with its sound.
  mark(word) {
    const { width } = this.canvas;
    this.context.font = "600 20px system-ui, sans-serif";
    this.context.textAlign = "right";
    this.context.lineWidth = 4;
    this.context.strokeStyle = colour("--card");
    this.context.strokeText(word, width - 4, 22);
    this.context.fillStyle = colour("--ink");
    this.context.fillText(word, width - 4, 22);
  }
}

// The bytes that the network sees: time to the right, high bands on top.
export function drawInput(canvas, bytes) {
  const context = canvas.getContext("2d"), image = context.createImageData(32, 32);
  const dark = components("--dark-cell"), lit = components("--lit");
  for (let frame = 0; frame < 32; frame++)
    for (let band = 0; band < 32; band++) {
      const share = bytes[32 * frame + band] / 255, at = 4 * (32 * (31 - band) + frame);
      for (let one = 0; one < 3; one++)
        image.data[at + one] = dark[one] + (lit[one] - dark[one]) * share;
      image.data[at + 3] = 255;
    }
  context.putImageData(image, 0, 0);
}

// A hidden layer: a field for each channel, a cell for each place in it. A cell lights up when it
// wins, and fades for a window.
export class Layer {
  constructor({ name, shape, winners }, parent) {
    [this.channels, this.rows, this.cols] = shape;
    this.across = Math.ceil(Math.sqrt(this.channels * this.rows / this.cols));
    const down = Math.ceil(this.channels / this.across);
    const gap = this.rows * this.cols > 1 ? 1 : 0;
    this.wide = this.cols + gap;
    this.high = this.rows + gap;
    this.before = null;
    this.name = name;
    this.canvas = document.createElement("canvas");
    this.canvas.width = this.across * this.wide - gap;
    this.canvas.height = down * this.high - gap;
    this.canvas.setAttribute("role", "img");
    this.text = document.createElement("span");
    this.count = document.createElement("span");
    this.rule = winners < this.channels ? `${winners} of ${this.channels} win` : "all may be active";
    this.places = this.rows * this.cols;
    const figure = document.createElement("figure"), caption = document.createElement("figcaption");
    caption.append(name, this.text, this.count);
    figure.append(this.canvas, caption);
    parent.append(figure);
    this.say(0);
  }

  say(lit) {
    const rule = this.places > 1 ? `${this.rule} a place` : this.rule;
    this.text.textContent = rule;
    this.count.textContent = `${lit.toLocaleString("en")} lit`;
    this.canvas.setAttribute("aria-label", `${this.name}: ${rule}, ${this.count.textContent}`);
  }

  draw(bits) {
    const context = this.canvas.getContext("2d");
    const image = context.createImageData(this.canvas.width, this.canvas.height);
    const colours = ["--dark-cell", "--fading", "--lit"].map(components);
    let count = 0;
    for (let channel = 0, index = 0; channel < this.channels; channel++) {
      const left = (channel % this.across) * this.wide;
      const top = Math.floor(channel / this.across) * this.high;
      for (let place = 0; place < this.places; place++, index++) {
        const bit = (from) => (from[index >> 3] >> (7 - (index & 7))) & 1;
        const lit = bit(bits), was = this.before ? bit(this.before) : 0;
        count += lit;
        const x = left + place % this.cols, y = top + Math.floor(place / this.cols);
        const at = 4 * (y * this.canvas.width + x), found = colours[lit ? 2 : was];
        image.data.set([...found, 255], at);
      }
    }
    context.putImageData(image, 0, 0);
    this.before = bits;
    this.say(count);
  }
}
