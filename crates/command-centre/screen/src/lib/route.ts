// The view as an address: `#/331083001/331083001001?alert=…`, each segment one step down, a unit last.
// Whoever opens the same address sees the same thing.

import type { City, Node } from './city';

export interface Route {
  /** Codes below the home region, outermost first. */
  path: string[];
  alert: string | null;
}

export function parseRoute(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?');
  const segments = path.split('/').filter(Boolean).map(decode);
  return { path: segments, alert: new URLSearchParams(query).get('alert') };
}

export function formatRoute(route: Route): string {
  const path = '#/' + route.path.map(encodeURIComponent).join('/');
  return route.alert ? `${path}?${new URLSearchParams({ alert: route.alert })}` : path;
}

export interface Place {
  node: Node;
  unit: number | null;
}

/** What the address means in this city; an unknown segment ends the walk at the last known region. */
export function resolveRoute(city: City, home: Node, route: Route): Place {
  let node = home;
  for (const segment of route.path) {
    const region = city.find(segment);
    if (region && city.path(region.index).includes(home)) {
      node = region;
      continue;
    }
    const unit = city.findUnit(segment);
    if (unit === undefined) break;
    const grid = city.unitGrid[unit] ?? -1;
    if (grid < 0 || !city.path(grid).includes(home)) break;
    return { node: city.node(grid), unit };
  }
  return { node, unit: null };
}

export function routeTo(city: City, home: Node, place: Place, alert: string | null): Route {
  const full = city.path(place.node.index);
  const below = full.slice(full.indexOf(home) + 1).map((node) => node.code);
  if (place.unit !== null) below.push(city.unitCode[place.unit] ?? '');
  return { path: below, alert };
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
