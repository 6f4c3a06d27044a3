// The shapes of the HTTP API as this screen reads them. Times are milliseconds since the epoch.

export type Colour = 'red' | 'orange' | 'yellow' | 'blue' | 'blind';
export type AlertState =
  | 'raised'
  | 'acknowledged'
  | 'arrived'
  | 'verified'
  | 'restored_unacknowledged'
  | 'restored'
  | 'in_work'
  | 'checked'
  | 'closed'
  | 'shelved'
  | 'out_of_service';
export type Family = 'fire' | 'warning' | 'fault';
export type Verdict = 'real' | 'false' | 'test';

export interface AlertSummary {
  id: string;
  family: Family;
  colour: Colour;
  state: AlertState;
  unit: string;
  unit_name: string;
  address: string;
  grid: string;
  village: string;
  township: string;
  raised_ms: number;
  updated_ms: number;
  summary_zh: string;
  summary_en: string;
  acknowledged_by: string[];
  verdict?: Verdict | null;
  evidence_count: number;
  exercise: boolean;
}

/** `GET /alerts/{id}`; the parts beyond the summary are read by `case.ts`. */
export interface AlertDetail extends AlertSummary {
  evidence?: unknown[];
  history?: unknown[];
  ladder?: unknown[];
  deliveries?: unknown[];
  acknowledged?: unknown[];
  arrived?: unknown[];
  /** Why the unit has its colour now. */
  reasons?: Reason[];
}

export interface Region {
  code: string;
  name: string;
  level: string;
  parent?: string | null;
}

export interface Bootstrap {
  cursor: number;
  at_ms: number;
  alerts: AlertSummary[];
  region: Region;
}

export interface Me {
  subject: string;
  name: string;
  role: 'viewer' | 'operator' | 'admin';
  /** Code of the region it sees; nothing for everything. */
  scope?: string | null;
}

export interface Reason {
  rule: string;
  text_zh: string;
  text_en: string;
  colour: Colour;
  device?: string | null;
  since_ms: number;
  evidence?: unknown;
  would_change_zh?: string;
  would_change_en?: string;
}

export interface UnitDevice {
  vendor: string;
  device: string;
  class: string;
  location: string;
  status: string;
  last_seen_ms?: number | null;
  report_every_s?: number | null;
}

export interface Unit {
  code: string;
  name: string;
  category: string;
  address: string;
  grid: string;
  colour: Colour | 'none';
  since_ms?: number | null;
  owner?: { code: string; name: string; phone?: string } | null;
  path: { code: string; name: string }[];
  reasons: Reason[];
  devices: UnitDevice[];
  cameras?: { code?: string; location?: string }[];
  alerts: AlertSummary[];
}

export interface Geometry {
  version: string | number;
  regions: Region[];
  grids: string[];
  units: { code: string[]; name: string[]; grid: number[] };
}

export interface FeedEvent {
  cursor: number;
  type: string;
  at_ms: number;
  region?: string;
  alert?: AlertSummary | null;
  unit?: { id: number; code: string; colour: Colour | 'none'; since_ms: number } | null;
}

/** `GET /duty/gaps`: where nobody is on duty, now or soon. */
export interface DutyGaps {
  gaps: {
    post: string;
    region: string;
    region_name: string;
    station?: string;
    station_name?: string;
    from_ms: number;
    until_ms: number | null;
  }[];
}

/** The byte of the snapshot, and the index of the screen's own colour tables. */
export const COLOUR_BYTES = { none: 0, blue: 1, yellow: 2, orange: 3, red: 4, blind: 5 } as const;
export type ColourByte = 0 | 1 | 2 | 3 | 4 | 5;
export const COLOUR_NAMES = ['none', 'blue', 'yellow', 'orange', 'red', 'blind'] as const;

export function colourByte(name: string): ColourByte {
  return COLOUR_BYTES[name as keyof typeof COLOUR_BYTES] ?? 0;
}
