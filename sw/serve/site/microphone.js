// Sends what the microphone gives to the page, in pieces of 1,024 samples.
class Microphone extends AudioWorkletProcessor {
  constructor() {
    super();
    this.piece = new Float32Array(1024);
    this.filled = 0;
  }

  process([input]) {
    const channels = input.length;
    if (!channels) return true;
    const size = input[0].length;
    for (let at = 0; at < size; at++) {
      let sum = 0;
      for (const channel of input) sum += channel[at];
      this.piece[this.filled++] = sum / channels;
      if (this.filled === this.piece.length) {
        this.port.postMessage(this.piece.buffer, [this.piece.buffer]);
        this.piece = new Float32Array(1024);
        this.filled = 0;
      }
    }
    return true;
  }
}
registerProcessor("microphone", Microphone);
