// The lower canvas: one pixel buffer in which every unit is a few pixels. All 76,000 units are one pass over
// the buffer; a change repaints its own cell only.

import type { City } from './city';
import { FILL, GROUND, HATCH, word } from './palette';
import { cellRect, type Block, type Layout, type Rect } from './treemap';

const WORDS = FILL.map(word);
const HATCH_WORD = word(HATCH);
const GROUND_WORD = word(GROUND);
const SURFACE_WORDS = ['#0a0e13', '#151c25', '#1d2631', '#131a22', '#131a22'].map(word);
const HEADER_WORDS = ['#0a0e13', '#1f2a36', '#26323f'].map(word);
const BLIND = 5;

export class Tiles {
  private image: ImageData | null = null;
  private pixels = new Uint32Array(0);
  private layout: Layout | null = null;
  private context: CanvasRenderingContext2D;

  constructor(canvas: HTMLCanvasElement) {
    const context = canvas.getContext('2d', { alpha: false });
    if (!context) throw new Error('this browser gives no 2d canvas');
    this.context = context;
  }

  /** Paints everything; returns the number of units drawn. */
  paintAll(city: City, layout: Layout): number {
    const { width, height } = layout;
    if (width === 0 || height === 0) return 0;
    if (!this.image || this.image.width !== width || this.image.height !== height) {
      this.image = this.context.createImageData(width, height);
      this.pixels = new Uint32Array(this.image.data.buffer);
    }
    this.layout = layout;
    this.pixels.fill(GROUND_WORD);
    for (const tile of layout.tiles) {
      this.fill(tile, SURFACE_WORDS[tile.depth] ?? GROUND_WORD);
      if (tile.depth > 0) this.fill(shrink(tile), HEADER_WORDS[tile.depth] ?? SURFACE_WORDS[3]!);
    }
    let drawn = 0;
    for (const block of layout.blocks) drawn += this.paintBlock(city, block);
    this.context.putImageData(this.image, 0, 0);
    return drawn;
  }

  /** Repaints the cells of some units; returns how many of them are in view. */
  paintSome(city: City, units: readonly number[]): number {
    const { layout, image } = this;
    if (!layout || !image) return 0;
    let left = Infinity;
    let top = Infinity;
    let right = 0;
    let bottom = 0;
    let drawn = 0;
    for (const unit of units) {
      const rect = this.rectOf(city, layout, unit);
      if (!rect) continue;
      this.cell(rect, city.colours[unit] ?? 0);
      left = Math.min(left, rect.x);
      top = Math.min(top, rect.y);
      right = Math.max(right, rect.x + rect.w);
      bottom = Math.max(bottom, rect.y + rect.h);
      drawn += 1;
    }
    if (drawn > 0) this.context.putImageData(image, 0, 0, left, top, right - left, bottom - top);
    return drawn;
  }

  rectOf(city: City, layout: Layout, unit: number): Rect | null {
    const block = layout.blocks[layout.blockOf[city.unitGrid[unit] ?? -1] ?? -1];
    if (!block) return null;
    return cellRect(block, (city.position[unit] ?? 0) - block.first, layout.gapFrom);
  }

  private paintBlock(city: City, block: Block): number {
    const rect: Rect = { x: 0, y: 0, w: 0, h: 0 };
    const gapFrom = this.layout?.gapFrom ?? 0;
    for (let i = 0; i < block.count; i++) {
      const unit = city.order[block.first + i] ?? 0;
      this.cell(cellRect(block, i, gapFrom, rect), city.colours[unit] ?? 0);
    }
    return block.count;
  }

  private cell(rect: Rect, colour: number): void {
    if (colour === BLIND) this.hatch(rect);
    else this.fill(rect, WORDS[colour] ?? WORDS[0]!);
  }

  private fill(rect: Rect, value: number): void {
    const width = this.layout?.width ?? 0;
    const { pixels } = this;
    for (let y = rect.y; y < rect.y + rect.h; y++) {
      const left = y * width + rect.x;
      const right = left + rect.w;
      // `fill` costs more than the few pixels of a unit, and less than the many of a region.
      if (rect.w > 32) pixels.fill(value, left, right);
      else for (let at = left; at < right; at++) pixels[at] = value;
    }
  }

  /** Diagonal stripes that continue from cell to cell, so a blind quarter reads as one hatched area. */
  private hatch(rect: Rect): void {
    const width = this.layout?.width ?? 0;
    const period = rect.w < 8 ? 4 : 8;
    const base = WORDS[BLIND]!;
    for (let y = rect.y; y < rect.y + rect.h; y++) {
      for (let x = rect.x; x < rect.x + rect.w; x++) {
        this.pixels[y * width + x] = (x + y) % period < period / 2 ? base : HATCH_WORD;
      }
    }
  }
}

function shrink(rect: Rect): Rect {
  return { x: rect.x + 1, y: rect.y + 1, w: Math.max(0, rect.w - 2), h: Math.max(0, rect.h - 2) };
}
