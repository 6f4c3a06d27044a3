// The colours of the map, for the canvas; `app.css` holds the same for everything else.
// Luminance rises from red to yellow, so the order survives the common colour-vision defects; letter and
// shape say the same again.

import { COLOUR_NAMES, type ColourByte } from './types';

export const FILL: readonly string[] = ['#1b2531', '#275a8a', '#f2d53c', '#f58a1f', '#f0392b', '#8592a0'];
/** Second tone of the hatch of blind units. */
export const HATCH = '#2b333d';
export const GROUND = '#0a0e13';
/** Text on a filled tile. */
export const INK: readonly string[] = ['#8ea0b3', '#dcebfa', '#2b2300', '#2b1400', '#ffffff', '#ffffff'];
export const WORST_FIRST: readonly ColourByte[] = [4, 3, 2, 5, 1, 0];

/** `#rrggbb` as the little-endian RGBA word that `ImageData` holds. */
export function word(hex: string): number {
  const rgb = parseInt(hex.slice(1), 16);
  return (0xff000000 | ((rgb & 0xff) << 16) | (rgb & 0xff00) | (rgb >> 16)) >>> 0;
}

export function colourName(byte: number): (typeof COLOUR_NAMES)[number] {
  return COLOUR_NAMES[byte] ?? 'none';
}
