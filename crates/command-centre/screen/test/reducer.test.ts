import { describe, expect, it } from 'vitest';
import { applyEvent, emptyState, resumeFrom } from '../src/lib/reducer';
import { compareAlerts, orderQueue } from '../src/lib/queue';
import { readCase } from '../src/lib/case';
import { ServerClock, span } from '../src/lib/clock';
import { alert, event, makeCity } from './fixtures';

function started(alertsAt: number, coloursAt: number) {
  const state = { ...emptyState(), alertsAt, coloursAt };
  state.cursor = resumeFrom(state);
  return state;
}

describe('events of the feed', () => {
  it('raise, change and close alerts', () => {
    const state = started(10, 10);
    const city = makeCity();
    expect(applyEvent(state, city, event(11, { alert: alert() })).rang?.id).toBe('fire-0-1');
    const acknowledged = alert({ state: 'acknowledged', acknowledged_by: ['P1'] });
    expect(applyEvent(state, city, event(12, { type: 'alert.acknowledged', alert: acknowledged })).rang).toBeNull();
    expect(state.alerts.get('fire-0-1')?.state).toBe('acknowledged');
    expect(applyEvent(state, city, event(13, { type: 'alert.rang_again', alert: alert() })).rang).not.toBeNull();
    applyEvent(state, city, event(14, { type: 'alert.closed', alert: alert({ state: 'closed' }) }));
    expect(state.alerts.size).toBe(0);
    expect(state.cursor).toBe(14);
  });

  it('colour units', () => {
    const state = started(0, 0);
    const city = makeCity();
    const unit = { id: 4, code: 'U4', colour: 'red' as const, since_ms: 5 };
    expect(applyEvent(state, city, event(1, { type: 'unit.colour', unit })).unit).toBe('U4');
    expect(city.colours[4]).toBe(4);
  });

  it('that the bootstrap or the snapshot already holds are not applied again', () => {
    const state = started(20, 30);
    const city = makeCity();
    expect(state.cursor).toBe(20);
    city.setColour(4, 'blue');
    const old = { id: 4, code: 'U4', colour: 'red' as const, since_ms: 5 };
    const effect = applyEvent(state, city, event(25, { alert: alert(), unit: old }));
    expect(effect.alert).toBe('fire-0-1');
    expect(effect.unit).toBeNull();
    expect(city.colours[4]).toBe(1);
    const before = started(30, 20);
    expect(applyEvent(before, city, event(25, { type: 'alert.closed', alert: alert({ state: 'closed' }) })).alert).toBeNull();
  });

  it('with a cursor that went back mean another journal', () => {
    const state = started(10, 10);
    const city = makeCity();
    applyEvent(state, city, event(12));
    const effect = applyEvent(state, city, event(3, { alert: alert() }));
    expect(effect.gap).toBe(true);
    expect(state.alerts.size).toBe(0);
    expect(state.cursor).toBe(12);
  });

  it('tell of holes in duty plans', () => {
    const state = started(0, 0);
    expect(applyEvent(state, makeCity(), event(1, { type: 'duty.gap' })).duty).toBe(true);
    expect(applyEvent(state, makeCity(), event(2, { type: 'unit.colour' })).duty).toBe(false);
  });

  it('about a unit nobody knows say that the roster changed', () => {
    const unit = { id: 99, code: 'U99', colour: 'red' as const, since_ms: 5 };
    expect(applyEvent(started(0, 0), makeCity(), event(1, { unit })).unknownUnit).toBe(true);
  });
});

describe('the queue', () => {
  it('is worst first, then unanswered first, then longest waiting', () => {
    const rows = [
      alert({ id: 'blind', colour: 'blind', raised_ms: 1 }),
      alert({ id: 'red-answered', state: 'acknowledged', raised_ms: 1 }),
      alert({ id: 'yellow', colour: 'yellow', raised_ms: 1 }),
      alert({ id: 'red-new', raised_ms: 900 }),
      alert({ id: 'orange', colour: 'orange', raised_ms: 1 }),
      alert({ id: 'red-old', raised_ms: 100 }),
    ];
    const ids = rows.sort(compareAlerts).map((row) => row.id);
    expect(ids).toEqual(['red-old', 'red-new', 'red-answered', 'orange', 'yellow', 'blind']);
  });

  it('filters by family and region and never shows what is closed', () => {
    const rows = [
      alert({ id: 'a' }),
      alert({ id: 'b', family: 'fault', grid: '331083002001001' }),
      alert({ id: 'c', state: 'closed' }),
    ];
    const ids = (family: 'all' | 'fault', region: string) => orderQueue(rows, { family, region }).map((row) => row.id);
    expect(ids('all', '')).toEqual(['a', 'b']);
    expect(ids('fault', '')).toEqual(['b']);
    expect(ids('all', '331083001')).toEqual(['a']);
  });
});

describe('an alert in full', () => {
  it('is read as the station writes it', () => {
    const read = readCase({
      ...alert(),
      evidence: [
        { at_ms: 1, rule: 'smoke', device: 'v/d', colour: 'red', words: { zh: '烟', en: 'smoke' } },
        { at_ms: 2, rule: 'heat', device: { vendor: 'v', device: 'h' }, colour: 'red', text_zh: '热', text_en: 'heat' },
      ],
      ladder: [
        { whom: 'village', due_ms: 60, told_ms: null, people: [] },
        { whom: 'owner', due_ms: 0, told_ms: 5, people: ['P1', { code: 'P2', name: '林' }] },
      ],
      deliveries: [
        { id: 'd', whom: 'owner', person: 'P1', person_name: '陈', channel: 'mqtt', owed_ms: 5, state: 'delivered', attempts: [{ at_ms: 9, outcome: 'delivered', reason: '' }], attempt_count: 4 },
      ],
      history: [
        { at_ms: 1, what: 'alert.raised', by: 'smoke', note: null },
        { at_ms: 0, what: 'alert.acknowledged', by: 'P1', by_name: '陈', note: null },
      ],
      acknowledged: [{ person: 'P1', name: '陈', at_ms: 0 }],
    });
    expect(read.evidence.map((row) => [row.device, ...row.words])).toEqual([
      ['v/h', '热', 'heat'],
      ['v/d', '烟', 'smoke'],
    ]);
    expect(read.ladder.map((row) => [row.whom, row.toldMs, row.people])).toEqual([
      ['owner', 5, ['P1', '林']],
      ['village', null, []],
    ]);
    expect(read.deliveries[0]).toMatchObject({ person: '陈', attempts: 4, lastMs: 9 });
    expect(read.history.map((row) => [row.atMs, row.what, row.by, row.note])).toEqual([
      [1, 'alert.raised', 'smoke', ''],
      [0, 'alert.acknowledged', '陈', ''],
    ]);
  });

  it('with parts missing is still shown', () => {
    expect(readCase(alert())).toEqual({
      acknowledged: [],
      arrived: [],
      evidence: [],
      ladder: [],
      deliveries: [],
      history: [],
    });
  });
});

describe('clock', () => {
  it('takes the middle of an exchange, then the best lower bound', () => {
    const clock = new ServerClock();
    clock.exchange(10_500, 400, 600);
    expect(clock.now(1_000)).toBe(11_000);
    clock.heard(11_900, 2_000);
    expect(clock.offsetMs).toBe(10_000);
    clock.heard(12_050, 2_000);
    expect(clock.offsetMs).toBe(10_050);
  });

  it('says spans shortly', () => {
    expect([-5, 7_000, 750_000, 11_045_000, 183_600_000].map(span)).toEqual(['0:00', '0:07', '12:30', '3:04:05', '2d 03h']);
  });
});
