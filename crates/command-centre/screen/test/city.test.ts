import { describe, expect, it } from 'vitest';
import { City, decodeSnapshot } from '../src/lib/city';
import { formatRoute, parseRoute, resolveRoute, routeTo } from '../src/lib/route';
import { COLOUR_BYTES } from '../src/lib/types';
import { GEOMETRY, makeCity } from './fixtures';

function snapshotOf(cursor: bigint, colours: number[], says = colours.length): ArrayBuffer {
  const buffer = new ArrayBuffer(12 + colours.length);
  const view = new DataView(buffer);
  view.setBigUint64(0, cursor, true);
  view.setUint32(8, says, true);
  new Uint8Array(buffer, 12).set(colours);
  return buffer;
}

describe('snapshot', () => {
  it('is a cursor, a count and one byte a unit', () => {
    const { cursor, colours } = decodeSnapshot(snapshotOf(4_294_967_299n, [1, 4, 5]));
    expect(cursor).toBe(4_294_967_299);
    expect([...colours]).toEqual([1, 4, 5]);
  });

  it('is refused when cut short, padded, or with a byte that is no colour', () => {
    expect(() => decodeSnapshot(new ArrayBuffer(11))).toThrow(/shorter/);
    expect(() => decodeSnapshot(snapshotOf(1n, [1, 1], 3))).toThrow(/says 3 units but carries 2/);
    expect(() => decodeSnapshot(snapshotOf(1n, [6]))).toThrow(/unknown colour/);
    expect(() => decodeSnapshot(snapshotOf(2n ** 60n, []))).toThrow(/2\^53/);
  });

  it('of another roster is refused', () => {
    expect(() => makeCity().applySnapshot(new Uint8Array(9))).toThrow(/differ/);
  });
});

describe('city', () => {
  it('gives every region one contiguous range of units', () => {
    const city = makeCity();
    const unitsOf = (code: string) => {
      const node = city.find(code)!;
      return [...city.order.subarray(node.first, node.last)].sort((a, b) => a - b);
    };
    expect(unitsOf('331083001001001')).toEqual([0, 4, 8]);
    expect(unitsOf('331083001001')).toEqual([0, 2, 4, 6, 8]);
    expect(unitsOf('331083001')).toEqual([0, 2, 3, 4, 6, 7, 8]);
    expect(unitsOf('331083')).toHaveLength(10);
    city.order.forEach((unit, position) => expect(city.position[unit]).toBe(position));
  });

  it('does not need grids among the regions, nor parents spelled out', () => {
    const bare = new City({ ...GEOMETRY, regions: GEOMETRY.regions.map(({ code, name, level }) => ({ code, name, level })) });
    expect(bare.path(bare.find('331083001001002')!.index).map((node) => node.code)).toEqual([
      '331083',
      '331083001',
      '331083001001',
      '331083001001002',
    ]);
  });

  it('keeps counts exact through changes, at every level', () => {
    const city = makeCity();
    city.applySnapshot(new Uint8Array(10).fill(1));
    expect(city.setColour(2, 'red')).toBe(true);
    expect(city.setColour(2, 'red')).toBe(false);
    city.setColour(1, 'blind');
    city.setColour(2, 'orange');
    const counts = (code: string) =>
      (['red', 'orange', 'yellow', 'blue', 'blind'] as const).map((name) =>
        city.count(city.find(code)!.index, COLOUR_BYTES[name]),
      );
    expect(counts('331083')).toEqual([0, 1, 0, 8, 1]);
    expect(counts('331083001')).toEqual([0, 1, 0, 6, 0]);
    expect(counts('331083001001002')).toEqual([0, 1, 0, 1, 0]);
    expect(counts('331083002')).toEqual([0, 0, 0, 2, 1]);
  });

  it('names what to repaint: everything after a snapshot, then only what changed', () => {
    const city = makeCity();
    expect(city.allDirty).toBe(true);
    city.allDirty = false;
    city.setColour(3, 'yellow');
    expect(city.dirty).toEqual([3]);
    city.applySnapshot(new Uint8Array(10).fill(1));
    expect(city.allDirty).toBe(true);
  });

  it('does not let what a hidden tab never draws grow without end', () => {
    const city = makeCity();
    city.allDirty = false;
    for (let i = 0; i < 50; i++) city.setColour(i % 10, i % 20 < 10 ? 'red' : 'blue');
    expect(city.dirty.length).toBeLessThanOrEqual(10);
    expect(city.allDirty).toBe(true);
  });

  it('starts at the scope of the account', () => {
    const city = makeCity();
    expect(city.home('').code).toBe('331083');
    expect(city.home('331083002').code).toBe('331083002');
  });
});

describe('address', () => {
  const city = makeCity();
  const home = city.home('');

  it('survives the way there and back', () => {
    const grid = city.find('331083001001001')!;
    const route = routeTo(city, home, { node: grid, unit: 4 }, 'fire-4-9');
    const hash = formatRoute(route);
    expect(hash).toBe('#/331083001/331083001001/331083001001001/U4?alert=fire-4-9');
    expect(parseRoute(hash)).toEqual(route);
    expect(resolveRoute(city, home, parseRoute(hash))).toEqual({ node: grid, unit: 4 });
  });

  it('with something unknown in it ends at the last known region', () => {
    const place = resolveRoute(city, home, parseRoute('#/331083001/nowhere/331083002'));
    expect(place.node.code).toBe('331083001');
    expect(resolveRoute(city, home, parseRoute('#/%E0%A4%A')).node).toBe(home);
  });

  it('does not leave the scope', () => {
    const scope = city.home('331083002');
    expect(resolveRoute(city, scope, parseRoute('#/331083001')).node).toBe(scope);
    expect(resolveRoute(city, scope, parseRoute('#/U0'))).toEqual({ node: scope, unit: null });
  });
});
