// What one event of the feed does to the state of the screen. Pure: no clock, no network, no drawing.

import type { City } from './city';
import type { AlertSummary, FeedEvent } from './types';

export interface FeedState {
  /** Every alert in scope that is not closed, by id. */
  alerts: Map<string, AlertSummary>;
  /** `alerts` is exact at this cursor: an older event is already in it. */
  alertsAt: number;
  /** The colours are exact at this cursor. They come by another request, so theirs differs. */
  coloursAt: number;
  cursor: number;
}

export interface Effect {
  /** Newly raised, or ringing again: somebody has to look. */
  rang: AlertSummary | null;
  alert: string | null;
  unit: string | null;
  /** Speaks of a hole in a duty plan. */
  duty: boolean;
  /** The stream went backwards: the journal behind it is another one, take everything anew. */
  gap: boolean;
  /** Speaks of a unit that the geometry does not have: the roster changed. */
  unknownUnit: boolean;
}

export function emptyState(): FeedState {
  return { alerts: new Map(), alertsAt: 0, coloursAt: 0, cursor: 0 };
}

/** Where the feed must start so that neither the alerts nor the colours miss an event. */
export function resumeFrom(state: FeedState): number {
  return Math.min(state.alertsAt, state.coloursAt);
}

export function applyEvent(state: FeedState, city: City, event: FeedEvent): Effect {
  const effect: Effect = { rang: null, alert: null, unit: null, duty: false, gap: event.cursor < state.cursor, unknownUnit: false };
  if (effect.gap) return effect;
  state.cursor = event.cursor;
  effect.duty = event.type.startsWith('duty.');
  const alert = event.alert;
  if (alert && event.cursor > state.alertsAt) {
    effect.alert = alert.id;
    if (alert.state === 'closed') state.alerts.delete(alert.id);
    else state.alerts.set(alert.id, alert);
    if (event.type === 'alert.raised' || event.type === 'alert.rang_again') effect.rang = alert;
  }
  if (event.unit && event.cursor > state.coloursAt) {
    const index = city.findUnit(event.unit.code);
    if (index === undefined) effect.unknownUnit = true;
    else if (city.setColour(index, event.unit.colour)) effect.unit = event.unit.code;
  }
  return effect;
}
