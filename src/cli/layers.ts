type Edge = { readonly from: string; readonly to: string };

const sweeps = 8;

/**
 * Names in columns for drawing a DAG: each in the first column after all that lead to it, and in
 * each column ordered by where its neighbours stand (the barycenter rule of Sugiyama's method), a
 * few times forth and back. What is on a cycle would never be placed; it goes into the last column.
 */
export function layersOf(
  names: readonly string[],
  edges: readonly Edge[],
): readonly (readonly string[])[] {
  const column = columnsOf(names, edges);
  const count = Math.max(0, ...column.values()) + 1;
  const layers: string[][] = Array.from({ length: count }, () => []);
  for (const name of names) layers[column.get(name) ?? 0]?.push(name);
  for (let sweep = 0; sweep < sweeps; sweep++) {
    const forth = sweep % 2 === 0;
    const order = forth ? [...layers.keys()] : [...layers.keys()].reverse();
    for (const at of order) sortByNeighbours(layers, at, edges, forth);
  }
  return layers;
}

/** The longest way from any start, by removing what nothing unplaced leads to (Kahn). */
function columnsOf(names: readonly string[], edges: readonly Edge[]): Map<string, number> {
  const column = new Map<string, number>();
  const open = new Map(names.map((name) => [name, 0]));
  for (const { to } of edges) open.set(to, (open.get(to) ?? 0) + 1);
  const ready = names.filter((name) => open.get(name) === 0);
  for (const name of ready) column.set(name, 0);
  for (let name = ready.shift(); name !== undefined; name = ready.shift()) {
    for (const { from, to } of edges) {
      if (from !== name) continue;
      column.set(to, Math.max(column.get(to) ?? 0, (column.get(name) ?? 0) + 1));
      const left = (open.get(to) ?? 0) - 1;
      open.set(to, left);
      if (left === 0) ready.push(to);
    }
  }
  const last = Math.max(0, ...column.values());
  for (const name of names) if ((open.get(name) ?? 0) > 0) column.set(name, last);
  return column;
}

function sortByNeighbours(
  layers: string[][],
  at: number,
  edges: readonly Edge[],
  forth: boolean,
): void {
  const layer = layers[at];
  if (layer === undefined) return;
  const rank = new Map<string, number>();
  for (const one of layers) for (const [row, name] of one.entries()) rank.set(name, row);
  const weight = (name: string): number => {
    const near = edges.flatMap(({ from, to }) => {
      if (forth) return to === name ? [rank.get(from) ?? 0] : [];
      return from === name ? [rank.get(to) ?? 0] : [];
    });
    if (near.length === 0) return rank.get(name) ?? 0;
    return near.reduce((sum, row) => sum + row, 0) / near.length;
  };
  const weights = new Map(layer.map((name) => [name, weight(name)]));
  layer.sort((a, b) => (weights.get(a) ?? 0) - (weights.get(b) ?? 0));
}
