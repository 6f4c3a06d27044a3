import type { Geometry } from '../src/lib/types';

export function makeCity(seed?: number): Geometry & { colours: Uint8Array; category: string[] };
