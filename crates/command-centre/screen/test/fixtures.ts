import { City } from '../src/lib/city';
import type { AlertSummary, FeedEvent, Geometry } from '../src/lib/types';

/** One city, two townships, three villages, four grids, ten units; units deliberately not in grid order. */
export const GEOMETRY: Geometry = {
  version: 'v1',
  regions: [
    { code: '331083', name: '玉环市', level: 'city', parent: '' },
    { code: '331083001', name: '玉城街道', level: 'township', parent: '331083' },
    { code: '331083002', name: '坎门街道', level: 'township', parent: '331083' },
    { code: '331083001001', name: '县前社区', level: 'village', parent: '331083001' },
    { code: '331083001002', name: '西门社区', level: 'village', parent: '331083001' },
    { code: '331083002001', name: '东风社区', level: 'village', parent: '331083002' },
  ],
  grids: ['331083001001001', '331083001001002', '331083001002001', '331083002001001'],
  units: {
    code: Array.from({ length: 10 }, (_, i) => `U${i}`),
    name: Array.from({ length: 10 }, (_, i) => `单位${i}`),
    grid: [0, 3, 1, 2, 0, 3, 1, 2, 0, 3],
  },
};

export function makeCity(): City {
  return new City(GEOMETRY);
}

export function alert(over: Partial<AlertSummary> = {}): AlertSummary {
  return {
    id: 'fire-0-1',
    family: 'fire',
    colour: 'red',
    state: 'raised',
    unit: 'U0',
    unit_name: '单位0',
    address: '县前社区1号',
    grid: '331083001001001',
    village: '331083001001',
    township: '331083001',
    raised_ms: 1_000,
    updated_ms: 1_000,
    summary_zh: '烟雾',
    summary_en: 'smoke',
    acknowledged_by: [],
    verdict: null,
    evidence_count: 1,
    exercise: false,
    ...over,
  };
}

export function event(cursor: number, over: Partial<FeedEvent> = {}): FeedEvent {
  return { cursor, type: 'alert.raised', at_ms: cursor * 10, ...over };
}
