import { identMatches } from "./match.ts";

/** A place that packets can go to, with the ident patterns that it matches. */
export type Route<T> = { readonly match: readonly string[]; readonly target: T };

/** The targets of an ident, in the order of the config. The same array for the same set of routes. */
export type RouteTable<T> = (ident: string) => readonly T[];

/** Idents that are remembered; data can make new ones without end, so the memory is bounded. */
const CACHE_LIMIT = 10_000;

/**
 * Compiles routes to a lookup. The graph's own edges are the only routes there are, so whatever
 * ident a plugin comes up with, a packet cannot run in a circle (invariant 5).
 */
export function createRouteTable<T>(routes: readonly Route<T>[]): RouteTable<T> {
  const cache = new Map<string, readonly T[]>();
  const sets = new Map<string, readonly T[]>();
  let lastIdent: string | undefined;
  let lastTargets: readonly T[] = [];

  function find(ident: string): readonly T[] {
    const hits = routes.flatMap(({ match }, i) =>
      match.some((pattern) => identMatches(pattern, ident)) ? [i] : [],
    );
    const name = hits.join(",");
    const known = sets.get(name);
    if (known) return known;
    const targets = hits.map((i) => (routes[i] as Route<T>).target);
    sets.set(name, targets);
    return targets;
  }

  return (ident) => {
    if (ident === lastIdent) return lastTargets;
    let targets = cache.get(ident);
    if (!targets) {
      targets = find(ident);
      if (cache.size >= CACHE_LIMIT) cache.clear();
      cache.set(ident, targets);
    }
    lastIdent = ident;
    lastTargets = targets;
    return targets;
  };
}
