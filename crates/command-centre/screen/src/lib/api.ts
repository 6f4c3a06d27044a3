// The HTTP API of the command centre. Every failure is a `Problem` whose text a person can act on.

import { decodeSnapshot, type Snapshot } from './city';
import type { AlertDetail, AlertSummary, Bootstrap, DutyGaps, FeedEvent, Geometry, Me, Unit, Verdict } from './types';

const BASE = '/api/v1';
const TIMEOUT_MS = 10_000;
const GEOMETRY_TIMEOUT_MS = 60_000;

/** `status` 0 means that no answer came at all. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    title: string,
    readonly detail: string,
  ) {
    super(title);
  }
}

async function request(path: string, init: RequestInit = {}, timeoutMs = TIMEOUT_MS): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(BASE + path, {
      credentials: 'same-origin',
      signal: AbortSignal.timeout(timeoutMs),
      ...init,
    });
  } catch (cause) {
    throw new Problem(0, 'no answer', cause instanceof Error ? cause.message : String(cause));
  }
  if (response.ok) return response;
  const body = (await response.json().catch(() => ({}))) as { title?: string; detail?: string };
  throw new Problem(response.status, body.title ?? `HTTP ${response.status}`, body.detail ?? '');
}

async function get<T>(path: string, timeoutMs?: number): Promise<T> {
  return (await request(path, {}, timeoutMs)).json() as Promise<T>;
}

async function post<T>(path: string, body: unknown, headers: Record<string, string> = {}): Promise<T> {
  const response = await request(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  return (text ? JSON.parse(text) : {}) as T;
}

export type Action =
  | { verb: 'acknowledge' | 'arrive' | 'close'; note: string }
  | { verb: 'verify'; verdict: Verdict; note: string };

/** One key for one press of a button, so that a repeated request cannot act twice. */
export function pressKey(): string {
  // Not `randomUUID`: browsers give that to https pages only, and a station on a LAN may be http.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export const api = {
  openSession: (token: string) => post<unknown>('/session', { token }),
  closeSession: () => request('/session', { method: 'DELETE', headers: { 'content-type': 'application/json' }, body: '{}' }),
  me: () => get<Me>('/me'),
  bootstrap: () => get<Bootstrap>('/bootstrap'),
  geometry: () => get<Geometry>('/map/geometry', GEOMETRY_TIMEOUT_MS),
  alert: (id: string) => get<AlertDetail>(`/alerts/${encodeURIComponent(id)}`),
  unit: (code: string) => get<Unit>(`/units/${encodeURIComponent(code)}`),
  dutyGaps: (region: string) => get<DutyGaps>(`/duty/gaps?region=${encodeURIComponent(region)}`),
  events: (after: number, limit: number) => get<{ events: FeedEvent[] }>(`/events?after=${after}&limit=${limit}`),
  feedUrl: (after: number) => `${BASE}/feed?after=${after}`,

  async snapshot(): Promise<Snapshot> {
    return decodeSnapshot(await (await request('/map/snapshot')).arrayBuffer());
  },

  async act(alert: string, action: Action, key: string): Promise<AlertSummary> {
    const { verb, ...rest } = action;
    const body = { ...rest, note: rest.note || undefined };
    const path = `/alerts/${encodeURIComponent(alert)}/${verb}`;
    return (await post<{ alert: AlertSummary }>(path, body, { 'idempotency-key': key })).alert;
  },
};
