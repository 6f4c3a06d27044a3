// Times as people read them, and the server's clock as seen from here.

export function hms(ms: number): string {
  const d = new Date(ms);
  return [d.getHours(), d.getMinutes(), d.getSeconds()].map(two).join(':');
}

export function dateTime(ms: number): string {
  const d = new Date(ms);
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${hms(ms)}`;
}

/** The time alone when it is of today, the date with it otherwise. */
export function stamp(ms: number, nowMs: number): string {
  return new Date(ms).toDateString() === new Date(nowMs).toDateString() ? hms(ms) : dateTime(ms).slice(5);
}

/** `0:07`, `12:30`, `3:04:05`, `2d 03h`; never negative. */
export function span(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s >= 86_400) return `${Math.floor(s / 86_400)}d ${two(Math.floor((s % 86_400) / 3600))}h`;
  const minutes = Math.floor((s % 3600) / 60);
  if (s >= 3600) return `${Math.floor(s / 3600)}:${two(minutes)}:${two(s % 60)}`;
  return `${minutes}:${two(s % 60)}`;
}

/** How long something took: `0.2 s` below a minute. */
export function took(ms: number): string {
  return ms < 60_000 ? `${(Math.max(0, ms) / 1000).toFixed(1)} s` : span(ms);
}

function two(n: number): string {
  return String(n).padStart(2, '0');
}

/**
 * Server time minus local time. A stamp was taken before it arrived, so every one of them is a lower
 * bound, the largest is the best; an exchange with known start bounds it from above too.
 */
export class ServerClock {
  offsetMs = 0;
  synced = false;

  exchange(serverMs: number, sentMs: number, receivedMs: number): void {
    this.offsetMs = serverMs - (sentMs + receivedMs) / 2;
    this.synced = true;
  }

  heard(serverMs: number, receivedMs: number): void {
    if (this.synced) this.offsetMs = Math.max(this.offsetMs, serverMs - receivedMs);
  }

  now(localMs: number): number {
    return localMs + this.offsetMs;
  }
}
