// Where everything stands on the map, in whole device pixels: regions by a squarified treemap (Bruls,
// Huizing, van Wijk 2000), area by number of units; the units of one grid as ordered blocks, row by row.

import type { City, Node } from './city';

export interface Rect {
  x: number;
  y: number;
  w: number;
  h: number;
}

export interface RegionTile extends Rect {
  node: number;
  /** 0 for the region being looked at, 1 for its children, and so on. */
  depth: number;
  /** Height of the strip on top that carries the name; 0 where there is no room for one. */
  header: number;
}

/** The units of one region without children (a grid), as rows of cells that fill the rectangle. */
export interface Block extends Rect {
  node: number;
  first: number;
  count: number;
  columns: number;
  rows: number;
}

export interface Layout {
  width: number;
  height: number;
  tiles: RegionTile[];
  blocks: Block[];
  /** Index into `blocks` by node, -1 where a node has none. */
  blockOf: Int32Array;
  /** Cells of about this many pixels a side and more keep a gap. */
  gapFrom: number;
}

const GAP_FROM_PX = 4;

/** Rectangles for `weights` (all > 0, sorted large to small) inside `area`, in the same order. */
export function squarify(weights: number[], area: Rect): Rect[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const out: Rect[] = [];
  if (total <= 0 || area.w <= 0 || area.h <= 0) return weights.map(() => ({ x: area.x, y: area.y, w: 0, h: 0 }));
  const scale = (area.w * area.h) / total;
  let { x, y, w, h } = area;
  let start = 0;
  while (start < weights.length) {
    const side = Math.min(w, h);
    let end = start;
    let sum = 0;
    let worst = Infinity;
    while (end < weights.length) {
      const next = sum + weights[end]! * scale;
      const large = weights[start]! * scale;
      const small = weights[end]! * scale;
      const ratio = Math.max((side * side * large) / (next * next), (next * next) / (side * side * small));
      if (ratio > worst) break;
      worst = ratio;
      sum = next;
      end += 1;
    }
    const thick = side > 0 ? sum / side : 0;
    let along = 0;
    for (let i = start; i < end; i++) {
      const length = thick > 0 ? (weights[i]! * scale) / thick : 0;
      out.push(w <= h ? { x: x + along, y, w: length, h: thick } : { x, y: y + along, w: thick, h: length });
      along += length;
    }
    if (w <= h) {
      y += thick;
      h -= thick;
    } else {
      x += thick;
      w -= thick;
    }
    start = end;
  }
  return out;
}

/** Columns and rows so that `count` near-square cells fill a `w` × `h` rectangle. */
export function blockShape(count: number, w: number, h: number): { columns: number; rows: number } {
  if (count <= 0 || w <= 0 || h <= 0) return { columns: 0, rows: 0 };
  const columns = Math.max(1, Math.min(count, Math.round(Math.sqrt((count * w) / h))));
  return { columns, rows: Math.ceil(count / columns) };
}

/** Rows hold the same number of cells or one less, so they fill the rectangle and areas stay alike. */
function rowStart(block: Block, row: number): number {
  return Math.floor((row * block.count) / block.rows);
}

/** Writes into `out` and returns it: a frame asks for 76,000 of them. */
export function cellRect(block: Block, position: number, gapFrom: number, out: Rect = { x: 0, y: 0, w: 0, h: 0 }): Rect {
  const row = Math.floor(((position + 1) * block.rows - 1) / block.count);
  const start = rowStart(block, row);
  const columns = rowStart(block, row + 1) - start;
  const column = position - start;
  const x = block.x + Math.floor((column * block.w) / columns);
  const y = block.y + Math.floor((row * block.h) / block.rows);
  const w = block.x + Math.floor(((column + 1) * block.w) / columns) - x;
  const h = block.y + Math.floor(((row + 1) * block.h) / block.rows) - y;
  const gap = gapOf(Math.min(block.w / block.columns, block.h / block.rows) / gapFrom);
  out.x = x;
  out.y = y;
  out.w = w - gap;
  out.h = h - gap;
  return out;
}

/** By the size of a block's usual cell, so that one block has one gap. */
function gapOf(size: number): number {
  return size >= 16 ? 4 : size >= 5 ? 2 : size >= 1 ? 1 : 0;
}

/** Position in the block of the cell under a point, or -1. */
export function cellAt(block: Block, x: number, y: number): number {
  if (x < block.x || y < block.y || x >= block.x + block.w || y >= block.y + block.h) return -1;
  const row = stepAt(y - block.y, block.h, block.rows);
  const start = rowStart(block, row);
  return start + stepAt(x - block.x, block.w, rowStart(block, row + 1) - start);
}

/** Which of `steps` floored parts of `length` holds `offset`. */
function stepAt(offset: number, length: number, steps: number): number {
  let step = Math.min(steps - 1, Math.floor((offset * steps) / length));
  while (step + 1 < steps && Math.floor(((step + 1) * length) / steps) <= offset) step += 1;
  return step;
}

export function layOut(city: City, root: Node, width: number, height: number, dpr: number): Layout {
  const layout: Layout = {
    width,
    height,
    tiles: [],
    blocks: [],
    blockOf: new Int32Array(city.nodes.length).fill(-1),
    gapFrom: Math.round(GAP_FROM_PX * dpr),
  };
  if (width > 0 && height > 0) place(city, layout, root, { x: 0, y: 0, w: width, h: height }, 0, dpr);
  return layout;
}

function place(city: City, layout: Layout, node: Node, outer: Rect, depth: number, dpr: number): void {
  const rect = snap(outer);
  const header = headerHeight(rect, depth, dpr);
  layout.tiles.push({ ...rect, node: node.index, depth, header });
  const inner = inset(rect, depth, header, dpr);
  const children = node.children
    .map((index) => city.node(index))
    .filter((child) => city.units(child) > 0)
    .sort((a, b) => city.units(b) - city.units(a) || (a.code < b.code ? -1 : 1));
  if (children.length === 0) {
    const count = city.units(node);
    const shape = blockShape(count, inner.w, inner.h);
    if (shape.columns === 0) return;
    layout.blockOf[node.index] = layout.blocks.length;
    layout.blocks.push({ ...inner, node: node.index, first: node.first, count, ...shape });
    return;
  }
  const rects = squarify(
    children.map((child) => city.units(child)),
    inner,
  );
  children.forEach((child, i) => place(city, layout, child, rects[i]!, depth + 1, dpr));
}

/** Neighbours share their rounded edge, so nothing overlaps and no pixel is lost. */
function snap(rect: Rect): Rect {
  const x = Math.round(rect.x);
  const y = Math.round(rect.y);
  return { x, y, w: Math.round(rect.x + rect.w) - x, h: Math.round(rect.y + rect.h) - y };
}

function headerHeight(rect: Rect, depth: number, dpr: number): number {
  if (depth === 1 && rect.h >= 60 * dpr && rect.w >= 56 * dpr) return Math.round(20 * dpr);
  if (depth === 2 && rect.h >= 90 * dpr && rect.w >= 90 * dpr) return Math.round(17 * dpr);
  return 0;
}

function inset(rect: Rect, depth: number, header: number, dpr: number): Rect {
  const margin = Math.round((depth === 0 ? 0 : depth === 1 ? 2 : 1) * dpr);
  return {
    x: rect.x + margin,
    y: rect.y + (header || margin),
    w: Math.max(0, rect.w - 2 * margin),
    h: Math.max(0, rect.h - (header || margin) - margin),
  };
}
