// The map on its two canvases: tiles below, overlay above. Draws on an animation frame and only when
// something changed; a hidden tab draws nothing. Knows the city and the place, not the rest of the screen.

import type { City, Node } from './city';
import { drawOverlay } from './overlay';
import { Tiles } from './tiles';
import { cellAt, cellRect, layOut, type Layout, type Rect, type RegionTile } from './treemap';
import type { Language } from './words';

/** What stands under a point: a region one step down, and the unit. */
export interface Hit {
  child: Node | null;
  unit: number | null;
  rect: Rect;
}

/** More changed cells than this in one frame: paint all, it is cheaper. */
const SOME_MAX = 4_000;
const BLINK_EVERY_MS = 500;

export class Renderer {
  private readonly tiles: Tiles;
  private readonly over: CanvasRenderingContext2D;
  private layout: Layout | null = null;
  private place: { city: City; node: Node } | null = null;
  private cssWidth = 0;
  private cssHeight = 0;
  private frame = 0;
  private allDirty = true;
  private overlayDirty = true;
  private hover: Rect | null = null;
  private focus: number | null = null;
  private focusShown = false;
  private selected: number | null = null;
  private ringing: readonly number[] = [];
  private blinkOn = true;
  private language: Language = 'zh';
  private readonly blink: ReturnType<typeof setInterval>;
  private readonly calm = matchMedia('(prefers-reduced-motion: reduce)');
  private readonly onVisible = () => this.schedule();

  constructor(
    private readonly lower: HTMLCanvasElement,
    private readonly upper: HTMLCanvasElement,
  ) {
    this.tiles = new Tiles(lower);
    const over = upper.getContext('2d');
    if (!over) throw new Error('this browser gives no 2d canvas');
    this.over = over;
    this.blink = setInterval(() => this.toggleBlink(), BLINK_EVERY_MS);
    document.addEventListener('visibilitychange', this.onVisible);
  }

  destroy(): void {
    clearInterval(this.blink);
    cancelAnimationFrame(this.frame);
    document.removeEventListener('visibilitychange', this.onVisible);
  }

  show(city: City, node: Node, unit: number | null): void {
    if (this.place?.city !== city || this.place.node !== node) {
      this.place = { city, node };
      this.layout = null;
      this.hover = null;
      this.focus = null;
      this.allDirty = true;
    }
    this.selected = unit;
    this.touchOverlay();
  }

  resize(cssWidth: number, cssHeight: number): void {
    if (cssWidth === this.cssWidth && cssHeight === this.cssHeight) return;
    this.cssWidth = cssWidth;
    this.cssHeight = cssHeight;
    this.layout = null;
    this.allDirty = true;
    this.schedule();
  }

  setRinging(units: readonly number[]): void {
    this.ringing = units;
    this.touchOverlay();
  }

  setLanguage(language: Language): void {
    this.language = language;
    this.touchOverlay();
  }

  setHover(rect: Rect | null): void {
    if (rect === this.hover) return;
    this.hover = rect;
    this.touchOverlay();
  }

  /** Colours changed; the city knows which. */
  touch(): void {
    this.schedule();
  }

  hit(cssX: number, cssY: number): Hit | null {
    if (!this.place) return null;
    const layout = this.fit(this.place.city, this.place.node);
    const x = Math.floor(cssX * devicePixelRatio);
    const y = Math.floor(cssY * devicePixelRatio);
    const { city, node } = this.place;
    const tile = this.children(layout).find((at) => inside(at, x, y));
    const block = layout.blocks.find((at) => inside(at, x, y));
    const position = block ? cellAt(block, x, y) : -1;
    const unit = block && position >= 0 ? (city.order[block.first + position] ?? null) : null;
    if (node.children.length > 0) {
      return tile ? { child: city.node(tile.node), unit, rect: tile } : null;
    }
    if (!block || unit === null) return null;
    return { child: null, unit, rect: cellRect(block, position, layout.gapFrom) };
  }

  /** Moves the keyboard's focus to the nearest neighbour; the first move shows it where it is. */
  moveFocus(dx: number, dy: number): Hit | null {
    const stops = this.stops();
    if (stops.length === 0) return null;
    if (this.focus === null || !this.focusShown) {
      this.focus ??= 0;
    } else {
      const from = centre(stops[this.focus]?.rect ?? stops[0]!.rect);
      let best = this.focus;
      let bestCost = Infinity;
      stops.forEach((stop, index) => {
        const to = centre(stop.rect);
        const ahead = (to.x - from.x) * dx + (to.y - from.y) * dy;
        if (index === this.focus || ahead <= 1) return;
        const aside = Math.abs((to.x - from.x) * dy) + Math.abs((to.y - from.y) * dx);
        const cost = ahead + 2.5 * aside;
        if (cost < bestCost) [best, bestCost] = [index, cost];
      });
      this.focus = best;
    }
    this.focusShown = true;
    this.touchOverlay();
    return this.focused();
  }

  focused(): Hit | null {
    return this.focus === null || !this.focusShown ? null : (this.stops()[this.focus] ?? null);
  }

  showFocus(on: boolean): void {
    this.focusShown = on && this.focus !== null;
    this.touchOverlay();
  }

  private children(layout: Layout): RegionTile[] {
    return layout.tiles.filter((tile) => tile.depth === 1);
  }

  private stops(): Hit[] {
    const { place } = this;
    if (!place) return [];
    // Not only after the next frame: keys may come faster than frames.
    const layout = this.fit(place.city, place.node);
    if (place.node.children.length > 0) {
      return this.children(layout).map((tile) => ({ child: place.city.node(tile.node), unit: null, rect: tile }));
    }
    const block = layout.blocks[0];
    if (!block) return [];
    return Array.from({ length: block.count }, (_, i) => ({
      child: null,
      unit: place.city.order[block.first + i] ?? null,
      rect: cellRect(block, i, layout.gapFrom),
    }));
  }

  private toggleBlink(): void {
    if (this.ringing.length === 0 || document.hidden) return;
    this.blinkOn = this.calm.matches || !this.blinkOn;
    if (!this.calm.matches) this.touchOverlay();
  }

  private touchOverlay(): void {
    this.overlayDirty = true;
    this.schedule();
  }

  private schedule(): void {
    if (this.frame !== 0 || document.hidden) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  }

  private draw(): void {
    if (!this.place || this.cssWidth === 0 || document.hidden) return;
    const { city, node } = this.place;
    const started = performance.now();
    const layout = this.fit(city, node);
    if (this.allDirty || city.allDirty || city.dirty.length > SOME_MAX) {
      const drawn = this.tiles.paintAll(city, layout);
      this.lower.dataset.units = String(drawn);
      this.overlayDirty = true;
    } else if (city.dirty.length > 0) {
      this.tiles.paintSome(city, city.dirty);
      this.overlayDirty = true;
    }
    city.dirty = [];
    city.allDirty = false;
    this.allDirty = false;
    if (this.overlayDirty) this.drawUpper(city, layout);
    // Read by the browser test, and by anyone who wonders why the map is slow.
    this.lower.dataset.frameMs = (performance.now() - started).toFixed(2);
    this.lower.dataset.frames = String(Number(this.lower.dataset.frames ?? 0) + 1);
  }

  private drawUpper(city: City, layout: Layout): void {
    this.overlayDirty = false;
    const rectOf = (unit: number) => this.tiles.rectOf(city, layout, unit);
    const selected = this.selected === null ? null : rectOf(this.selected);
    this.lower.dataset.selected = selected ? [selected.x, selected.y, selected.w, selected.h].join() : '';
    drawOverlay(this.over, {
      city,
      layout,
      dpr: devicePixelRatio,
      language: this.language,
      rectOf,
      ringing: this.ringing,
      blinkOn: this.blinkOn,
      hover: this.hover,
      focus: this.focused()?.rect ?? null,
      selected,
    });
  }

  private fit(city: City, node: Node): Layout {
    const width = Math.round(this.cssWidth * devicePixelRatio);
    const height = Math.round(this.cssHeight * devicePixelRatio);
    if (this.layout && this.layout.width === width && this.layout.height === height) return this.layout;
    for (const canvas of [this.lower, this.upper]) {
      canvas.width = width;
      canvas.height = height;
    }
    this.allDirty = true;
    this.layout = layOut(city, node, width, height, devicePixelRatio);
    return this.layout;
  }
}

function inside(rect: Rect, x: number, y: number): boolean {
  return x >= rect.x && y >= rect.y && x < rect.x + rect.w && y < rect.y + rect.h;
}

function centre(rect: Rect): { x: number; y: number } {
  return { x: rect.x + rect.w / 2, y: rect.y + rect.h / 2 };
}
