// The tone for a fire that nobody has acknowledged. Browsers play nothing before a person pressed
// something, so it is armed by a button, which sounds once as proof.

const REPEAT_MS = 4_000;

let context: AudioContext | null = null;
let repeat: ReturnType<typeof setInterval> | undefined;

export function arm(): void {
  context ??= new AudioContext();
  void context.resume();
  beep(660, 0, 0.12);
}

export function disarm(): void {
  ring(false);
  void context?.close();
  context = null;
}

/** Sounds at once and again until told to stop. */
export function ring(on: boolean): void {
  if (!on || !context) {
    clearInterval(repeat);
    repeat = undefined;
  } else if (repeat === undefined) {
    fireTone();
    repeat = setInterval(fireTone, REPEAT_MS);
  }
}

function fireTone(): void {
  [0, 0.35, 0.7].forEach((at) => {
    beep(960, at, 0.16);
    beep(720, at + 0.17, 0.16);
  });
}

function beep(hertz: number, afterS: number, lengthS: number): void {
  if (!context) return;
  const start = context.currentTime + afterS;
  const oscillator = context.createOscillator();
  const gain = context.createGain();
  oscillator.type = 'triangle';
  oscillator.frequency.value = hertz;
  gain.gain.setValueAtTime(0, start);
  gain.gain.linearRampToValueAtTime(0.25, start + 0.01);
  gain.gain.setValueAtTime(0.25, start + lengthS - 0.03);
  gain.gain.linearRampToValueAtTime(0, start + lengthS);
  oscillator.connect(gain).connect(context.destination);
  oscillator.start(start);
  oscillator.stop(start + lengthS);
}
