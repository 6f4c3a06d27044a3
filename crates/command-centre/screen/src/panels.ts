// What the screen is made of. A further panel is one file in `panels/` and one line here.

import type { Component } from 'svelte';
import type { Centre } from './lib/store.svelte';
import type { WordKey } from './lib/words';
import AlertPanel from './panels/AlertPanel.svelte';
import MapPanel from './panels/MapPanel.svelte';
import QueuePanel from './panels/QueuePanel.svelte';
import RegionsPanel from './panels/RegionsPanel.svelte';
import UnitPanel from './panels/UnitPanel.svelte';

export type Area = 'left' | 'centre' | 'right' | 'detail';

export interface Panel {
  id: string;
  title: WordKey;
  area: Area;
  component: Component<{ centre: Centre }>;
  /** Whether there is anything to show; the first open panel of an area with this is the one shown. */
  open(centre: Centre): boolean;
}

export const PANELS: readonly Panel[] = [
  { id: 'regions', title: 'regions', area: 'left', component: RegionsPanel, open: () => true },
  { id: 'map', title: 'map', area: 'centre', component: MapPanel, open: () => true },
  { id: 'queue', title: 'queue', area: 'right', component: QueuePanel, open: () => true },
  { id: 'alert', title: 'alert', area: 'detail', component: AlertPanel, open: (centre) => centre.route.alert !== null },
  { id: 'unit', title: 'unit', area: 'detail', component: UnitPanel, open: (centre) => centre.place?.unit != null },
];
