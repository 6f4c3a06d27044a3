import { describe, expect, it } from 'vitest';
import { City } from '../src/lib/city';
import { blockShape, cellAt, cellRect, layOut, squarify, type Block, type Rect } from '../src/lib/treemap';
import { makeCity as makeMockCity } from './mock-city.mjs';

function overlap(a: Rect, b: Rect): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

function block(count: number, w: number, h: number): Block {
  return { x: 3, y: 5, w, h, node: 0, first: 0, count, ...blockShape(count, w, h) };
}

describe('squarify', () => {
  it('lays out the example of the paper', () => {
    const rects = squarify([6, 6, 4, 3, 2, 2, 1], { x: 0, y: 0, w: 6, h: 4 });
    expect(rects.slice(0, 2)).toEqual([
      { x: 0, y: 0, w: 3, h: 2 },
      { x: 0, y: 2, w: 3, h: 2 },
    ]);
    expect(rects[2]!.w).toBeCloseTo(12 / 7);
    expect(rects[2]!.h).toBeCloseTo(7 / 3);
  });

  it('gives every weight its share of the area, inside it', () => {
    const weights = Array.from({ length: 40 }, (_, i) => 400 - i * 9);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const area = { x: 10, y: 20, w: 731, h: 412 };
    squarify(weights, area).forEach((rect, i) => {
      expect(rect.w * rect.h).toBeCloseTo((weights[i]! / total) * area.w * area.h, 4);
      expect(rect.x).toBeGreaterThanOrEqual(area.x - 1e-6);
      expect(rect.x + rect.w).toBeLessThanOrEqual(area.x + area.w + 1e-6);
      expect(rect.y + rect.h).toBeLessThanOrEqual(area.y + area.h + 1e-6);
    });
  });

  it('copes with no weight and no room', () => {
    expect(squarify([], { x: 0, y: 0, w: 10, h: 10 })).toEqual([]);
    expect(squarify([1, 1], { x: 0, y: 0, w: 0, h: 10 }).every((rect) => rect.w === 0)).toBe(true);
  });
});

describe('cells of a grid', () => {
  it.each([
    [1, 30, 30],
    [2, 9, 40],
    [57, 25, 26],
    [58, 240, 31],
    [200, 90, 90],
  ])('%i units in %i × %i: every point finds its cell, no pixel is empty', (count, w, h) => {
    const grid = block(count, w, h);
    const seen = new Set<number>();
    for (let y = grid.y; y < grid.y + h; y++) {
      for (let x = grid.x; x < grid.x + w; x++) {
        const position = cellAt(grid, x, y);
        const cell = cellRect(grid, position, Infinity);
        expect(x >= cell.x && x < cell.x + cell.w && y >= cell.y && y < cell.y + cell.h).toBe(true);
        seen.add(position);
      }
    }
    expect([...seen].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
    expect(cellAt(grid, grid.x - 1, grid.y)).toBe(-1);
    expect(cellAt(grid, grid.x + w, grid.y)).toBe(-1);
  });
});

describe('the whole city', () => {
  const mock = makeMockCity();
  const city = new City(mock);
  const layout = layOut(city, city.node(city.root), 1100, 800, 1);

  it('shows all 76,000 units, each with at least a pixel of its own', () => {
    expect(city.unitCount).toBe(76_000);
    let shown = 0;
    for (const grid of layout.blocks) {
      for (let i = 0; i < grid.count; i++) {
        const cell = cellRect(grid, i, layout.gapFrom);
        expect(cell.w).toBeGreaterThan(0);
        expect(cell.h).toBeGreaterThan(0);
        shown += 1;
      }
    }
    expect(shown).toBe(76_000);
  });

  it('keeps grids apart and inside', () => {
    layout.blocks.forEach((a, i) => {
      expect(a.x >= 0 && a.y >= 0 && a.x + a.w <= 1100 && a.y + a.h <= 800).toBe(true);
      for (const b of layout.blocks.slice(i + 1)) if (overlap(a, b)) expect.fail(`${a.node} covers ${b.node}`);
    });
  });

  it('is the same every time', () => {
    expect(layOut(city, city.node(city.root), 1100, 800, 1)).toEqual(layout);
  });

  it('gives names room on the first level', () => {
    expect(layout.tiles.filter((tile) => tile.depth === 1 && tile.header > 0)).toHaveLength(11);
  });
});
