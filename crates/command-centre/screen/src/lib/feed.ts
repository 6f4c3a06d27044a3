// The live line to the station. It is open, or it says loudly that it is not; it never looks open while
// nothing comes. Reconnecting is done here and not left to EventSource, because only an own request tells
// a broken line (try again) from a cursor of no use (start anew) and an ended session (sign in).

import { Problem } from './api';
import type { FeedEvent } from './types';

export type Link = 'connecting' | 'live' | 'lost';

/** The station sends a heartbeat every 15 s. */
const SILENCE_MAX_MS = 25_000;
const WATCH_EVERY_MS = 5_000;
const RETRY_FIRST_MS = 300;
const RETRY_MAX_MS = 5_000;

const TYPES = [
  'alert.raised',
  'alert.updated',
  'alert.acknowledged',
  'alert.arrived',
  'alert.verified',
  'alert.restored',
  'alert.rang_again',
  'alert.escalated',
  'alert.closed',
  'alert.assigned',
  'alert.work_begun',
  'alert.work_finished',
  'alert.checked',
  'alert.check_failed',
  'alert.noted',
  'alert.photographed',
  'alert.shelved',
  'alert.unshelved',
  'alert.out_of_service',
  'alert.returned_to_service',
  'alert.acknowledgement_expired',
  'unit.colour',
  'duty.gap',
  'duty.filled',
  'message',
] as const;

export interface FeedHooks {
  url(after: number): string;
  /** One request that says how the station answers a resume from this cursor; number of events it has after it. */
  probe(after: number): Promise<number>;
  onEvent(event: FeedEvent): void;
  onLink(link: Link): void;
  /** The station cannot go on from this cursor: bootstrap again, then `start` again. */
  onLostPlace(): void;
  onSignedOut(): void;
}

export class Feed {
  private source: EventSource | null = null;
  private cursor = 0;
  private heardAt = 0;
  private failures = 0;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private watchTimer: ReturnType<typeof setInterval> | undefined;
  private probing = false;

  constructor(private readonly hooks: FeedHooks) {}

  start(after: number): void {
    this.stop();
    this.cursor = after;
    this.watchTimer = setInterval(() => void this.watch(), WATCH_EVERY_MS);
    this.open();
  }

  stop(): void {
    clearTimeout(this.retryTimer);
    clearInterval(this.watchTimer);
    this.source?.close();
    this.source = null;
  }

  /** Skips the wait before the next attempt; for when the machine says that its network is back. */
  hurry(): void {
    if (this.retryTimer === undefined || this.source) return;
    clearTimeout(this.retryTimer);
    void this.retry();
  }

  private open(): void {
    this.source?.close();
    this.retryTimer = undefined;
    this.heardAt = Date.now();
    const source = new EventSource(this.hooks.url(this.cursor));
    this.source = source;
    source.onopen = () => {
      this.failures = 0;
      this.heardAt = Date.now();
      this.hooks.onLink('live');
    };
    source.onerror = () => {
      if (this.source === source) this.lose();
    };
    source.addEventListener('heartbeat', (message) => this.hear(message));
    for (const type of TYPES) source.addEventListener(type, (message) => this.receive(message));
  }

  private hear(message: MessageEvent<string>): void {
    this.heardAt = Date.now();
    const cursor = Number(message.lastEventId);
    if (cursor > this.cursor) this.cursor = cursor;
  }

  private receive(message: MessageEvent<string>): void {
    const event = JSON.parse(message.data) as FeedEvent;
    this.hear(message);
    this.hooks.onEvent(event);
  }

  private lose(): void {
    this.source?.close();
    this.source = null;
    this.hooks.onLink('lost');
    clearTimeout(this.retryTimer);
    const wait = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** this.failures);
    this.failures += 1;
    this.retryTimer = setTimeout(() => void this.retry(), wait * (0.7 + 0.6 * Math.random()));
  }

  private async retry(): Promise<void> {
    this.retryTimer = undefined;
    const watched = this.watchTimer;
    try {
      await this.hooks.probe(this.cursor);
      if (watched === this.watchTimer && !this.source) this.open();
    } catch (problem) {
      if (watched === this.watchTimer) this.judge(problem);
    }
  }

  /** Silence past the heartbeat: ask whether there is really nothing new. */
  private async watch(): Promise<void> {
    if (!this.source || this.probing || Date.now() - this.heardAt < SILENCE_MAX_MS) return;
    const source = this.source;
    this.probing = true;
    try {
      const waiting = await this.hooks.probe(this.cursor);
      if (this.source !== source) return;
      if (waiting > 0 && Date.now() - this.heardAt >= SILENCE_MAX_MS) this.lose();
      else this.heardAt = Date.now();
    } catch (problem) {
      if (this.source === source) this.judge(problem);
    } finally {
      this.probing = false;
    }
  }

  private judge(problem: unknown): void {
    const status = problem instanceof Problem ? problem.status : 0;
    // 410: older than what is kept; 409: ahead of the feed, as after the data folder was replaced
    if (status === 410 || status === 409) {
      this.stop();
      this.hooks.onLostPlace();
    } else if (status === 401 || status === 403) {
      this.stop();
      this.hooks.onLink('lost');
      this.hooks.onSignedOut();
    } else {
      this.lose();
    }
  }
}
