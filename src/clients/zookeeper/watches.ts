import { callAll } from "./call-all.ts";
import type { ZkEvent, ZkWatcher } from "./port.ts";

/** What a watch waits for: changes of a node, its creation, changes of its children. */
export type WatchKind = "data" | "exist" | "child";

/** The watches that the server holds for this session, so that another server can be told them. */
export type Watches = {
  add(kind: WatchKind, path: string, watcher: ZkWatcher): void;
  /** Whether the event is for one of them. */
  awaits(event: ZkEvent): boolean;
  /** Calls and forgets those that the event is for. */
  fire(event: ZkEvent): void;
  /** Calls all of them with `lost`: the session has ended. */
  loseAll(): void;
  paths(kind: WatchKind): readonly string[];
  readonly size: number;
};

const firedBy: Readonly<Record<ZkEvent["kind"], readonly WatchKind[]>> = {
  created: ["data", "exist"],
  changed: ["data", "exist"],
  deleted: ["data", "exist", "child"],
  children: ["child"],
  lost: ["data", "exist", "child"],
};

export function createWatches(): Watches {
  const byKind: Readonly<Record<WatchKind, Map<string, Set<ZkWatcher>>>> = {
    data: new Map(),
    exist: new Map(),
    child: new Map(),
  };

  function fire(event: ZkEvent): void {
    // One that waits for two things is called once.
    const called = new Set<ZkWatcher>();
    for (const kind of firedBy[event.kind]) {
      const watchers = byKind[kind].get(event.path);
      byKind[kind].delete(event.path);
      for (const watcher of watchers ?? []) called.add(watcher);
    }
    callAll(called, event);
  }

  return {
    add(kind, path, watcher) {
      const watchers = byKind[kind].get(path) ?? new Set();
      watchers.add(watcher);
      byKind[kind].set(path, watchers);
    },
    awaits: ({ kind, path }) => firedBy[kind].some((one) => byKind[one].has(path)),
    fire,
    loseAll() {
      const paths = new Set(Object.values(byKind).flatMap((watched) => [...watched.keys()]));
      for (const path of paths) fire({ kind: "lost", path });
    },
    paths: (kind) => [...byKind[kind].keys()],
    get size() {
      return byKind.data.size + byKind.exist.size + byKind.child.size;
    },
  };
}

export type WatchPaths = Readonly<Record<WatchKind, readonly string[]>>;

/** A server takes requests of up to a megabyte; Java's client sends 128 KiB of paths at a time. */
const partBytesMax = 128 * 1024;

/** The paths of all watches, in parts of a size that a server takes. */
export function* inParts(watches: Watches): Generator<WatchPaths> {
  let part = { data: [] as string[], exist: [] as string[], child: [] as string[] };
  let bytes = 0;
  for (const kind of ["data", "exist", "child"] as const) {
    for (const path of watches.paths(kind)) {
      if (bytes > 0 && bytes + path.length > partBytesMax) {
        yield part;
        part = { data: [], exist: [], child: [] };
        bytes = 0;
      }
      part[kind].push(path);
      bytes += path.length;
    }
  }
  if (bytes > 0) yield part;
}
