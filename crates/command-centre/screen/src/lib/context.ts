// The one store, for parts too deep to be handed it.

import { getContext, setContext } from 'svelte';
import type { Centre } from './store.svelte';

const KEY = Symbol('centre');

export function provideCentre(centre: Centre): void {
  setContext(KEY, centre);
}

export function useCentre(): Centre {
  return getContext<Centre>(KEY);
}
