import type {
  CreateOptions,
  ZkChildren,
  ZkEvent,
  ZkNode,
  ZkOperation,
  ZkResult,
  ZkStat,
  ZkWatcher,
} from "#src/clients/zookeeper/port.ts";
import { createWatches, type Watches, type WatchKind } from "#src/clients/zookeeper/watches.ts";
import { ZkError } from "#src/clients/zookeeper/zk-error.ts";
import { createZnodeTree, type ZnodeTree } from "./znode-tree.ts";

/** A tree with the watches of its sessions: what a server is to its clients. */
export type TreeServer = {
  readonly tree: ZnodeTree;
  /** A new session; its number. */
  begin(): bigint;
  /** Ends a session: its ephemeral nodes go, and others are told. */
  end(session: bigint): void;
  alive(session: bigint): boolean;
  request(session: bigint, request: TreeRequest, wall: number): TreeAnswer;
  /** What the session watches; `deliver` is called with each event, in order. */
  onEvent(session: bigint, deliver: (event: ZkEvent) => void): void;
  watchesOf(session: bigint): Watches;
};

export type TreeRequest =
  | { readonly kind: "apply"; readonly operations: readonly ZkOperation[] }
  | {
      readonly kind: "exists" | "get" | "children";
      readonly path: string;
      readonly watch: ZkWatcher | undefined;
    }
  | { readonly kind: "sync"; readonly path: string };

export type TreeAnswer =
  | readonly ZkResult[]
  | { readonly data: Uint8Array; readonly stat: ZkStat }
  | ZkChildren
  | ZkStat
  | null
  | undefined;

export function createTreeServer(): TreeServer {
  const sessions = new Map<
    bigint,
    { readonly watches: Watches; deliver: (event: ZkEvent) => void }
  >();
  let last = 0n;
  const tree = createZnodeTree((event) => {
    // An event that nobody waits for now must not meet, on its way, a watch that is set later.
    const told = [...sessions.values()].filter(({ watches }) => watches.awaits(event));
    for (const { deliver } of told) deliver(event);
  });

  function sessionOf(id: bigint) {
    const session = sessions.get(id);
    if (!session) throw new ZkError("expired", "the session has expired", true);
    return session;
  }

  function look(id: bigint, request: Extract<TreeRequest, { watch: unknown }>): TreeAnswer {
    const { watches } = sessionOf(id);
    const { kind, path, watch } = request;
    const node = tree.get(path);
    const add = (which: WatchKind) => watch && watches.add(which, path, watch);
    if (!node) {
      if (kind !== "exists") throw new ZkError("no_node", `${kind} ${path}: no node`);
      add("exist");
      return null;
    }
    add(kind === "children" ? "child" : "data");
    if (kind === "exists") return node.stat;
    return kind === "get" ? node : { names: tree.children(path) ?? [], stat: node.stat };
  }

  return {
    tree,
    begin() {
      const watches = createWatches();
      sessions.set(++last, { watches, deliver: watches.fire });
      return last;
    },
    end(id) {
      sessions.get(id)?.watches.loseAll();
      sessions.delete(id);
      tree.end(id);
    },
    alive: (id) => sessions.has(id),
    request(id, request, wall) {
      sessionOf(id);
      if (request.kind === "apply") return tree.apply(id, request.operations, wall);
      return request.kind === "sync" ? undefined : look(id, request);
    },
    onEvent(id, deliver) {
      sessionOf(id).deliver = deliver;
    },
    watchesOf: (id) => sessionOf(id).watches,
  };
}

/** The requests of the port over one function that answers them. */
export function requestsOver(ask: (request: TreeRequest) => Promise<TreeAnswer>) {
  return {
    async create(path: string, data: Uint8Array, options: CreateOptions = {}): Promise<string> {
      const [made] = (await ask(apply({ kind: "create", path, data, ...options }))) as ZkResult[];
      return (made as Extract<ZkResult, { kind: "create" }>).path;
    },
    exists: async (path: string, watch?: ZkWatcher) =>
      (await ask({ kind: "exists", path, watch })) as ZkStat | null,
    get: async (path: string, watch?: ZkWatcher) =>
      (await ask({ kind: "get", path, watch })) as ZkNode,
    children: async (path: string, watch?: ZkWatcher) =>
      (await ask({ kind: "children", path, watch })) as ZkChildren,
    async set(path: string, data: Uint8Array, version: number): Promise<ZkStat> {
      const [done] = (await ask(apply({ kind: "set", path, data, version }))) as ZkResult[];
      return (done as Extract<ZkResult, { kind: "set" }>).stat;
    },
    async delete(path: string, version: number): Promise<void> {
      await ask(apply({ kind: "delete", path, version }));
    },
    multi: async (operations: readonly ZkOperation[]) =>
      (await ask(apply(...operations))) as readonly ZkResult[],
    async sync(path: string): Promise<void> {
      await ask({ kind: "sync", path });
    },
  };
}

function apply(...operations: readonly ZkOperation[]): TreeRequest {
  return { kind: "apply", operations };
}
