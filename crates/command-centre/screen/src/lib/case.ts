// One alert in full, made ready to be shown: evidence, ladder, deliveries, history. The readers are lenient
// (a missing part is an empty list, a person may be a code or an object) since a page that shows
// most of a fire is better than one that shows an error.

import type { AlertDetail, Colour } from './types';
import type { Pair } from './words';

export interface EvidenceRow {
  atMs: number;
  rule: string;
  device: string;
  location: string;
  colour: Colour | 'none';
  words: Pair;
}

export interface RungRow {
  whom: string;
  dueMs: number;
  toldMs: number | null;
  people: string[];
}

export interface DeliveryRow {
  id: string;
  whom: string;
  person: string;
  channel: string;
  state: string;
  owedMs: number;
  lastMs: number | null;
  attempts: number;
  reason: string;
}

export interface HistoryRow {
  atMs: number;
  what: string;
  by: string;
  note: string;
}

/** An act of one person. */
export interface MarkRow {
  person: string;
  name: string;
  atMs: number;
}

export interface Case {
  acknowledged: MarkRow[];
  arrived: MarkRow[];
  evidence: EvidenceRow[];
  ladder: RungRow[];
  deliveries: DeliveryRow[];
  history: HistoryRow[];
}

type Loose = Record<string, unknown>;

/** Newest evidence and history first; ladder by time due; deliveries in the order they became owed. */
export function readCase(detail: AlertDetail): Case {
  const acknowledged = rows(detail.acknowledged).map(markRow);
  const arrived = rows(detail.arrived).map(markRow);
  return {
    acknowledged,
    arrived,
    evidence: rows(detail.evidence).map(evidenceRow).sort((a, b) => b.atMs - a.atMs),
    ladder: rows(detail.ladder).map(rungRow).sort((a, b) => a.dueMs - b.dueMs),
    deliveries: rows(detail.deliveries).map(deliveryRow).sort((a, b) => a.owedMs - b.owedMs),
    history: rows(detail.history)
      .map(historyRow)
      .sort((a, b) => b.atMs - a.atMs),
  };
}

/** A sentence in both languages, from `{zh, en}` or from `<name>_zh` and `<name>_en`. */
export function sentence(value: unknown): Pair {
  if (typeof value === 'string') return [value, ''];
  const loose = (value ?? {}) as Loose;
  return [text(loose.zh), text(loose.en)];
}

function evidenceRow(row: Loose): EvidenceRow {
  const inner = row.words ?? row.evidence;
  const words: Pair = inner ? sentence(inner) : [text(row.text_zh), text(row.text_en)];
  return {
    atMs: number(row.at_ms) ?? 0,
    rule: text(row.rule),
    device: named(row.device),
    location: text(row.location),
    colour: (text(row.colour) || 'none') as EvidenceRow['colour'],
    words,
  };
}

function rungRow(row: Loose): RungRow {
  return {
    whom: text(row.whom),
    dueMs: number(row.due_ms) ?? 0,
    toldMs: number(row.told_ms),
    people: Array.isArray(row.people) ? row.people.map(named).filter(Boolean) : [],
  };
}

function deliveryRow(row: Loose, index: number): DeliveryRow {
  const attempts = rows(row.attempts);
  const last = attempts.at(-1);
  return {
    id: text(row.id) || String(index),
    whom: text(row.whom),
    person: text(row.person_name) || named(row.person) || text(row.person_code),
    channel: text(row.channel),
    state: text(row.state),
    owedMs: number(row.owed_ms) ?? 0,
    lastMs: number(last?.at_ms),
    attempts: number(row.attempt_count) ?? attempts.length,
    reason: text(last?.reason),
  };
}

function markRow(row: Loose): MarkRow {
  return { person: text(row.person), name: text(row.name) || text(row.person), atMs: number(row.at_ms) ?? 0 };
}

function historyRow(row: Loose): HistoryRow {
  const by = text(row.by_name) || named(row.by);
  return { atMs: number(row.at_ms) ?? 0, what: text(row.what), by, note: text(row.note) };
}

function rows(value: unknown): Loose[] {
  return Array.isArray(value) ? value.filter((row): row is Loose => typeof row === 'object' && row !== null) : [];
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : '';
}

function number(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}

function named(value: unknown): string {
  if (typeof value !== 'object' || value === null) return text(value);
  const loose = value as Loose;
  const device = text(loose.device);
  return text(loose.name) || (device && `${text(loose.vendor)}/${device}`) || text(loose.code);
}
