// The upper canvas: names, counts, markers that make a single burning unit among 76,000 findable, hover,
// focus and selection. Everything here is text and vector; colour always comes with letter or shape.

import type { City } from './city';
import { FILL, INK, WORST_FIRST, colourName } from './palette';
import type { Layout, Rect, RegionTile } from './treemap';
import { COLOUR_WORDS, type Language } from './words';

const FONT = '"Noto Sans CJK SC", "Noto Sans SC", "PingFang SC", "Microsoft YaHei", "WenQuanYi Zen Hei", sans-serif';
/** Beyond this, single markers would cover each other and the badges of regions say more. */
const MARKERS_MAX = 250;
/** Cells at least this wide carry their own glyph, at least that wide also their name. */
const GLYPH_FROM_PX = 13;
const NAME_FROM_PX = 64;

export interface OverlayState {
  city: City;
  layout: Layout;
  dpr: number;
  language: Language;
  rectOf(unit: number): Rect | null;
  /** Units with an alert that nobody acknowledged, worst last so that it is on top. */
  ringing: readonly number[];
  blinkOn: boolean;
  hover: Rect | null;
  focus: Rect | null;
  selected: Rect | null;
}

export function drawOverlay(context: CanvasRenderingContext2D, state: OverlayState): void {
  const { layout } = state;
  context.clearRect(0, 0, layout.width, layout.height);
  context.textBaseline = 'middle';
  for (const tile of layout.tiles) if (tile.depth > 0 && tile.header > 0) drawHeader(context, state, tile);
  drawCells(context, state);
  drawRinging(context, state);
  if (state.hover) outline(context, state.hover, 'rgba(255,255,255,.75)', 1.5 * state.dpr);
  if (state.selected) outline(context, atLeast(state.selected, 24 * state.dpr), '#ffffff', 3 * state.dpr);
  if (state.focus) outline(context, state.focus, '#7cc4ff', 3 * state.dpr);
}

/** Name on the left, worst counts on the right, as many as fit. */
function drawHeader(context: CanvasRenderingContext2D, state: OverlayState, tile: RegionTile): void {
  const { city, dpr } = state;
  const middle = tile.y + tile.header / 2 + dpr * 0.5;
  const large = tile.depth === 1;
  let right = tile.x + tile.w - 5 * dpr;
  const left = tile.x + 6 * dpr;
  context.font = `600 ${(large ? 12 : 11) * dpr}px ${FONT}`;
  const name = city.node(tile.node).name;
  const nameWidth = Math.min(context.measureText(name).width, tile.w - 10 * dpr);
  for (const colour of WORST_FIRST) {
    const count = city.count(tile.node, colour);
    if (count === 0 || colour === 1 || colour === 0) continue;
    const text = `${COLOUR_WORDS[colourName(colour)].shape}${count}`;
    const width = context.measureText(text).width + 8 * dpr;
    if (right - width < left + nameWidth + 4 * dpr) break;
    right -= width;
    context.fillStyle = FILL[colour]!;
    roundRect(context, right, tile.y + 2.5 * dpr, width, tile.header - 4 * dpr, 3 * dpr);
    context.fillStyle = INK[colour]!;
    context.fillText(text, right + 4 * dpr, middle);
    right -= 3 * dpr;
  }
  context.fillStyle = large ? '#e8eef5' : '#b9c7d6';
  clippedText(context, name, left, middle, right - left);
}

function drawCells(context: CanvasRenderingContext2D, state: OverlayState): void {
  const { city, layout, dpr } = state;
  const markers: { rect: Rect; colour: number }[] = [];
  for (const block of layout.blocks) {
    const w = block.w / block.columns / dpr;
    const h = block.h / block.rows / dpr;
    const roomy = Math.min(w, h) >= GLYPH_FROM_PX;
    for (let i = 0; i < block.count; i++) {
      const unit = city.order[block.first + i] ?? 0;
      const colour = city.colours[unit] ?? 0;
      if (!roomy && colour !== 4 && colour !== 3) continue;
      const rect = state.rectOf(unit);
      if (!rect) continue;
      if (!roomy) markers.push({ rect, colour });
      else if (w >= NAME_FROM_PX && h >= 40) drawNamedCell(context, state, rect, unit, colour);
      else if (colour > 1) glyph(context, rect, colour, Math.min(rect.w, rect.h) * 0.7, INK[colour]!);
    }
  }
  if (markers.length > MARKERS_MAX) return;
  markers.sort((a, b) => a.colour - b.colour);
  for (const { rect, colour } of markers) drawMarker(context, rect, colour, dpr);
}

function drawRinging(context: CanvasRenderingContext2D, state: OverlayState): void {
  const seen = state.ringing.flatMap((unit) => {
    const rect = state.rectOf(unit);
    return rect ? [{ rect, colour: state.city.colours[unit] ?? 0 }] : [];
  });
  if (seen.length > MARKERS_MAX) return;
  for (const { rect, colour } of seen) {
    if (Math.min(rect.w, rect.h) < GLYPH_FROM_PX * state.dpr) drawMarker(context, rect, colour, state.dpr);
    drawRing(context, rect, state.dpr, state.blinkOn);
  }
}

function drawNamedCell(
  context: CanvasRenderingContext2D,
  state: OverlayState,
  rect: Rect,
  unit: number,
  colour: number,
): void {
  const { city, dpr, language } = state;
  const words = COLOUR_WORDS[colourName(colour)];
  const letter = words.letter[language === 'zh' ? 0 : 1];
  if (colour === 5) {
    context.fillStyle = 'rgba(10,14,19,.72)';
    roundRect(context, rect.x + 3 * dpr, rect.y + 3 * dpr, rect.w - 6 * dpr, (rect.h < 62 * dpr ? 36 : 52) * dpr, 3 * dpr);
  }
  context.fillStyle = INK[colour]!;
  context.font = `600 ${12 * dpr}px ${FONT}`;
  clippedText(context, `${words.shape} ${letter}`, rect.x + 7 * dpr, rect.y + 13 * dpr, rect.w - 12 * dpr);
  context.font = `${12 * dpr}px ${FONT}`;
  clippedText(context, city.unitName[unit] ?? '', rect.x + 7 * dpr, rect.y + 30 * dpr, rect.w - 12 * dpr);
  if (rect.h < 62 * dpr) return;
  context.globalAlpha = 0.75;
  context.font = `${10.5 * dpr}px ${FONT}`;
  clippedText(context, city.unitCode[unit] ?? '', rect.x + 7 * dpr, rect.y + 47 * dpr, rect.w - 12 * dpr);
  context.globalAlpha = 1;
}

function drawMarker(context: CanvasRenderingContext2D, rect: Rect, colour: number, dpr: number): void {
  const size = (colour === 4 ? 15 : 10) * dpr;
  const at = { x: rect.x + rect.w / 2 - size / 2, y: rect.y + rect.h / 2 - size / 2, w: size, h: size };
  context.lineJoin = 'round';
  context.lineWidth = 2.5 * dpr;
  context.strokeStyle = '#ffffff';
  shape(context, at, colour, size);
  context.stroke();
  context.fillStyle = FILL[colour]!;
  context.fill();
}

function drawRing(context: CanvasRenderingContext2D, rect: Rect, dpr: number, on: boolean): void {
  const x = rect.x + rect.w / 2;
  const y = rect.y + rect.h / 2;
  const radius = Math.max(13 * dpr, Math.min(rect.w, rect.h) * 0.55);
  context.lineWidth = 2.5 * dpr;
  context.strokeStyle = on ? '#ffffff' : 'rgba(255,255,255,.35)';
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.stroke();
}

function glyph(context: CanvasRenderingContext2D, rect: Rect, colour: number, size: number, ink: string): void {
  const at = { x: rect.x + (rect.w - size) / 2, y: rect.y + (rect.h - size) / 2, w: size, h: size };
  context.fillStyle = ink;
  if (colour === 5) {
    context.font = `700 ${size}px ${FONT}`;
    context.textAlign = 'center';
    context.fillText('?', rect.x + rect.w / 2, rect.y + rect.h / 2 + size * 0.05);
    context.textAlign = 'start';
    return;
  }
  shape(context, at, colour, size);
  context.fill();
}

/** Red a triangle, orange a diamond, yellow a disc; the outlines of `COLOUR_WORDS`. */
function shape(context: CanvasRenderingContext2D, at: Rect, colour: number, size: number): void {
  const half = size / 2;
  context.beginPath();
  if (colour === 4) {
    context.moveTo(at.x + half, at.y);
    context.lineTo(at.x + size, at.y + size * 0.92);
    context.lineTo(at.x, at.y + size * 0.92);
  } else if (colour === 3) {
    context.moveTo(at.x + half, at.y);
    context.lineTo(at.x + size, at.y + half);
    context.lineTo(at.x + half, at.y + size);
    context.lineTo(at.x, at.y + half);
  } else {
    context.arc(at.x + half, at.y + half, half * 0.8, 0, 2 * Math.PI);
  }
  context.closePath();
}

/** A chosen unit is found from across the room, also where it is three pixels large. */
function atLeast(rect: Rect, side: number): Rect {
  const w = Math.max(rect.w, side);
  const h = Math.max(rect.h, side);
  return { x: rect.x - (w - rect.w) / 2, y: rect.y - (h - rect.h) / 2, w, h };
}

function outline(context: CanvasRenderingContext2D, rect: Rect, style: string, width: number): void {
  context.lineWidth = width + 2;
  context.strokeStyle = 'rgba(0,0,0,.7)';
  context.strokeRect(rect.x + width / 2, rect.y + width / 2, Math.max(1, rect.w - width), Math.max(1, rect.h - width));
  context.lineWidth = width;
  context.strokeStyle = style;
  context.strokeRect(rect.x + width / 2, rect.y + width / 2, Math.max(1, rect.w - width), Math.max(1, rect.h - width));
}

function roundRect(context: CanvasRenderingContext2D, x: number, y: number, w: number, h: number, r: number): void {
  context.beginPath();
  context.roundRect(x, y, w, h, r);
  context.fill();
}

function clippedText(context: CanvasRenderingContext2D, text: string, x: number, y: number, width: number): void {
  if (width <= 0) return;
  let shown = text;
  if (context.measureText(shown).width > width) {
    while (shown.length > 1 && context.measureText(`${shown}…`).width > width) shown = shown.slice(0, -1);
    if (shown.length <= 1) return;
    shown += '…';
  }
  context.fillText(shown, x, y);
}
