// The city in memory: the region tree, the units in grid order, one colour byte a unit, and counts by
// colour for every region kept exact change by change. No drawing, no network, no reactivity.

import { colourByte, type ColourByte, type Geometry, type Region } from './types';

export const COLOUR_COUNT = 6;
const SNAPSHOT_HEADER_BYTES = 12;

export interface Node {
  index: number;
  code: string;
  name: string;
  parent: number;
  children: number[];
  /** Range in `City.order` that holds the units of this region. */
  first: number;
  last: number;
}

export interface Snapshot {
  cursor: number;
  colours: Uint8Array;
}

/** 8 bytes cursor and 4 bytes unit count, little-endian, then one byte a unit. */
export function decodeSnapshot(buffer: ArrayBuffer): Snapshot {
  if (buffer.byteLength < SNAPSHOT_HEADER_BYTES) throw new Error('snapshot is shorter than its header');
  const view = new DataView(buffer);
  const cursor = view.getBigUint64(0, true);
  if (cursor > BigInt(Number.MAX_SAFE_INTEGER)) throw new Error('snapshot cursor is beyond 2^53');
  const count = view.getUint32(8, true);
  if (buffer.byteLength !== SNAPSHOT_HEADER_BYTES + count) {
    throw new Error(`snapshot says ${count} units but carries ${buffer.byteLength - SNAPSHOT_HEADER_BYTES}`);
  }
  const colours = new Uint8Array(buffer, SNAPSHOT_HEADER_BYTES, count);
  if (colours.some((byte) => byte >= COLOUR_COUNT)) throw new Error('snapshot holds an unknown colour byte');
  return { cursor: Number(cursor), colours };
}

/** Division codes nest by prefix: 6 digits city, 9 township, 12 village, 15 grid. */
function parentCode(region: Region): string {
  if (region.parent) return region.parent;
  return region.code.length > 6 ? region.code.slice(0, -3) : '';
}

export class City {
  readonly version: string;
  readonly nodes: Node[] = [];
  readonly root: number;
  readonly unitCount: number;
  readonly unitCode: string[];
  readonly unitName: string[];
  /** Node of the grid of each unit. */
  readonly unitGrid: Int32Array;
  /** Unit indices, sorted so that each region's units are one contiguous range. */
  readonly order: Uint32Array;
  /** Where a unit stands in `order`. */
  readonly position: Uint32Array;
  readonly colours: Uint8Array;
  /** Units whose colour changed since the renderer last took them; `allDirty` after a snapshot. */
  dirty: number[] = [];
  allDirty = true;
  private readonly counts: Uint32Array;
  private readonly byCode = new Map<string, number>();
  private readonly unitByCode = new Map<string, number>();

  constructor(geometry: Geometry) {
    this.version = String(geometry.version);
    this.unitCode = geometry.units.code;
    this.unitName = geometry.units.name;
    this.unitCount = geometry.units.code.length;
    // A unit that is gone or out of scope keeps its number but has no code.
    this.unitCode.forEach((code, index) => code && this.unitByCode.set(code, index));
    const parents = this.plant(geometry);
    this.root = this.link(parents);
    this.unitGrid = new Int32Array(this.unitCount);
    const gridNodes = geometry.grids.map((code) => this.byCode.get(code) ?? -1);
    geometry.units.grid.forEach((grid, unit) => (this.unitGrid[unit] = gridNodes[grid] ?? -1));
    this.order = this.sort();
    this.position = new Uint32Array(this.unitCount);
    this.order.forEach((unit, position) => (this.position[unit] = position));
    this.colours = new Uint8Array(this.unitCount);
    this.counts = new Uint32Array(this.nodes.length * COLOUR_COUNT);
    this.recount();
  }

  node(index: number): Node {
    const node = this.nodes[index];
    if (!node) throw new Error(`no region at index ${index}`);
    return node;
  }

  find(code: string): Node | undefined {
    const index = this.byCode.get(code);
    return index === undefined ? undefined : this.nodes[index];
  }

  findUnit(code: string): number | undefined {
    return this.unitByCode.get(code);
  }

  /** The topmost region that a scope (a prefix of region codes) allows. */
  home(scope: string): Node {
    return this.find(scope) ?? this.node(this.root);
  }

  path(index: number): Node[] {
    const path: Node[] = [];
    for (let at = index; at >= 0; at = this.node(at).parent) path.unshift(this.node(at));
    return path;
  }

  count(node: number, colour: ColourByte): number {
    return this.counts[node * COLOUR_COUNT + colour] ?? 0;
  }

  units(node: Node): number {
    return node.last - node.first;
  }

  applySnapshot(colours: Uint8Array): void {
    if (colours.length !== this.unitCount) throw new Error('snapshot and geometry differ in their number of units');
    this.colours.set(colours);
    this.recount();
    this.dirty = [];
    this.allDirty = true;
  }

  /** Returns whether the colour was another one before. */
  setColour(unit: number, name: string): boolean {
    const before = this.colours[unit];
    const after = colourByte(name);
    if (before === undefined || before === after) return false;
    this.colours[unit] = after;
    for (let at = this.unitGrid[unit] ?? -1; at >= 0; at = this.node(at).parent) {
      const base = at * COLOUR_COUNT;
      this.counts[base + before]! -= 1;
      this.counts[base + after]! += 1;
    }
    if (!this.allDirty) this.dirty.push(unit);
    // A hidden tab draws nothing and so takes nothing: past this, repainting all is cheaper anyway.
    if (this.dirty.length > this.unitCount) {
      this.dirty = [];
      this.allDirty = true;
    }
    return true;
  }

  private plant(geometry: Geometry): string[] {
    const parents: string[] = [];
    const add = (region: Region) => {
      if (this.byCode.has(region.code)) return;
      this.byCode.set(region.code, this.nodes.length);
      const { code, name } = region;
      this.nodes.push({ index: this.nodes.length, code, name, parent: -1, children: [], first: 0, last: 0 });
      parents.push(parentCode(region));
    };
    for (const region of geometry.regions) add(region);
    for (const code of geometry.grids) add({ code, name: code.slice(-3), level: 'grid' });
    return parents;
  }

  private link(parents: string[]): number {
    let root = -1;
    this.nodes.forEach((node, index) => {
      const parent = this.byCode.get(parents[index] ?? '');
      if (parent === undefined || parent === index) {
        if (root < 0 || node.code.length < this.node(root).code.length) root = index;
      } else {
        node.parent = parent;
        this.node(parent).children.push(index);
      }
    });
    if (root < 0) throw new Error('geometry has no region to start from');
    return root;
  }

  private sort(): Uint32Array {
    const ofGrid = new Map<number, number[]>();
    this.unitGrid.forEach((grid, unit) => {
      const list = ofGrid.get(grid);
      if (list) list.push(unit);
      else ofGrid.set(grid, [unit]);
    });
    const order = new Uint32Array(this.unitCount);
    let filled = 0;
    const visit = (index: number) => {
      const node = this.node(index);
      node.first = filled;
      for (const unit of ofGrid.get(index) ?? []) order[filled++] = unit;
      for (const child of node.children) visit(child);
      node.last = filled;
    };
    visit(this.root);
    return order.subarray(0, filled);
  }

  private recount(): void {
    this.counts.fill(0);
    this.unitGrid.forEach((grid, unit) => {
      const colour = this.colours[unit] ?? 0;
      for (let at = grid; at >= 0; at = this.node(at).parent) this.counts[at * COLOUR_COUNT + colour]! += 1;
    });
  }
}
