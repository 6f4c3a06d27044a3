// The order of the live queue and what it shows of it.

import type { AlertSummary, Colour, Family } from './types';

/** More rows than a person can read; the rest is counted, not drawn. */
export const QUEUE_ROWS_MAX = 150;

const SEVERITY: Record<Colour, number> = { red: 0, orange: 1, yellow: 2, blind: 3, blue: 4 };

/** Nobody has answered yet. */
export function isRinging(alert: AlertSummary): boolean {
  return alert.state === 'raised';
}

/** Worst colour first; within it those that nobody answered; within these the one that waits longest. */
export function compareAlerts(a: AlertSummary, b: AlertSummary): number {
  return (
    SEVERITY[a.colour] - SEVERITY[b.colour] ||
    Number(isRinging(b)) - Number(isRinging(a)) ||
    a.raised_ms - b.raised_ms ||
    (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
  );
}

export interface QueueFilter {
  family: Family | 'all';
  /** Prefix of grid codes; empty for the whole scope. */
  region: string;
}

export function orderQueue(alerts: Iterable<AlertSummary>, filter: QueueFilter): AlertSummary[] {
  const rows: AlertSummary[] = [];
  for (const alert of alerts) {
    if (alert.state === 'closed') continue;
    if (filter.family !== 'all' && alert.family !== filter.family) continue;
    if (filter.region && !alert.grid.startsWith(filter.region)) continue;
    rows.push(alert);
  }
  return rows.sort(compareAlerts);
}
