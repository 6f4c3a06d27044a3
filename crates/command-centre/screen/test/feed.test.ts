import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Problem } from '../src/lib/api';
import { Feed, type FeedHooks, type Link } from '../src/lib/feed';

class FakeSource {
  static all: FakeSource[] = [];
  onopen: (() => void) | null = null;
  onerror: (() => void) | null = null;
  closed = false;
  private listeners = new Map<string, (message: unknown) => void>();

  constructor(readonly url: string) {
    FakeSource.all.push(this);
  }
  addEventListener(type: string, listener: (message: unknown) => void) {
    this.listeners.set(type, listener);
  }
  close() {
    this.closed = true;
  }
  send(type: string, cursor: number, data: unknown = {}) {
    this.listeners.get(type)?.({ lastEventId: String(cursor), data: JSON.stringify(data) });
  }
}

function newest(): FakeSource {
  return FakeSource.all.at(-1)!;
}

describe('feed', () => {
  let probe: ReturnType<typeof vi.fn<(after: number) => Promise<number>>>;
  let links: Link[];
  let lostPlace: number;
  let signedOut: number;
  let events: number[];
  let feed: Feed;

  beforeEach(() => {
    vi.useFakeTimers();
    vi.stubGlobal('EventSource', FakeSource);
    FakeSource.all = [];
    [links, events, lostPlace, signedOut] = [[], [], 0, 0];
    probe = vi.fn(async () => 0);
    const hooks: FeedHooks = {
      url: (after) => `/feed?after=${after}`,
      probe: (after) => probe(after),
      onEvent: (event) => events.push(event.cursor),
      onLink: (link) => links.push(link),
      onLostPlace: () => (lostPlace += 1),
      onSignedOut: () => (signedOut += 1),
    };
    feed = new Feed(hooks);
    feed.start(7);
    newest().onopen?.();
  });

  afterEach(() => {
    feed.stop();
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  it('resumes after the newest cursor it has seen, heartbeats included', async () => {
    newest().send('alert.raised', 9, { cursor: 9 });
    newest().send('heartbeat', 12);
    newest().onerror?.();
    expect(links).toEqual(['live', 'lost']);
    expect(newest().closed).toBe(true);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(probe).toHaveBeenCalledWith(12);
    expect(newest().url).toBe('/feed?after=12');
    newest().onopen?.();
    expect(links.at(-1)).toBe('live');
    expect(events).toEqual([9]);
  });

  it('keeps trying, at most 6.5 s apart, while nothing answers', async () => {
    probe.mockRejectedValue(new Problem(0, 'no answer', ''));
    newest().onerror?.();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(probe.mock.calls.length).toBeGreaterThan(60 / 6.5);
    expect(probe.mock.calls.length).toBeLessThan(40);
    expect(FakeSource.all).toHaveLength(1);
    probe.mockResolvedValue(0);
    await vi.advanceTimersByTimeAsync(6_500);
    expect(FakeSource.all).toHaveLength(2);
  });

  it.each([
    ['too old', 410],
    ['ahead of the feed', 409],
  ])('starts anew when its cursor is %s', async (_, status) => {
    probe.mockRejectedValue(new Problem(status, 'of no use', ''));
    newest().onerror?.();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(lostPlace).toBe(1);
    expect(probe).toHaveBeenCalledTimes(1);
  });

  it('asks to sign in again when the session ended', async () => {
    probe.mockRejectedValue(new Problem(401, 'Unauthorized', ''));
    newest().onerror?.();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(signedOut).toBe(1);
  });

  it('does not believe a silent line: something waiting behind it means that it is dead', async () => {
    probe.mockResolvedValue(1);
    await vi.advanceTimersByTimeAsync(24_000);
    expect(probe).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(7_000);
    expect(links).toContain('lost');
  });

  it('believes a silent line when the station says that nothing is new', async () => {
    await vi.advanceTimersByTimeAsync(31_000);
    expect(probe).toHaveBeenCalledTimes(1);
    expect(links).toEqual(['live']);
  });

  it('says nothing more once stopped', async () => {
    newest().onerror?.();
    feed.stop();
    await vi.advanceTimersByTimeAsync(20_000);
    expect(FakeSource.all).toHaveLength(1);
    expect(probe).not.toHaveBeenCalled();
  });
});
