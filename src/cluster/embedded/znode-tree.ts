import type { ZkEvent, ZkOperation, ZkResult, ZkStat } from "#src/clients/zookeeper/port.ts";
import { checkedVersion } from "#src/clients/zookeeper/records.ts";
import { ZkError, type ZkReason } from "#src/clients/zookeeper/zk-error.ts";

/**
 * The part of ZooKeeper that the cluster stands on, in memory: nodes with versions, ephemeral and
 * sequential ones, and `multi`. Behind a session it is the coordinator of a bus that runs alone;
 * with faults before it, the one that the protocol is proven against.
 */
export type ZnodeTree = {
  /** All of it or nothing; throws the `ZkError` of the first that fails. */
  apply(session: bigint, operations: readonly ZkOperation[], wall: number): ZkResult[];
  get(path: string): { readonly data: Uint8Array; readonly stat: ZkStat } | undefined;
  children(path: string): readonly string[] | undefined;
  /** Removes the ephemeral nodes of a session. */
  end(session: bigint): void;
  /** The number of the last change. */
  readonly zxid: bigint;
};

type Node = {
  data: Uint8Array;
  version: number;
  childrenVersion: number;
  /** Of the next sequential child; never used twice. */
  nextNumber: number;
  readonly children: Set<string>;
  readonly owner: bigint;
  readonly czxid: bigint;
  readonly createdAt: number;
  mzxid: bigint;
  pzxid: bigint;
  changedAt: number;
};

/** Told of each change, in order, after all of a `multi` is done. */
export type OnChange = (event: Exclude<ZkEvent, { kind: "lost" }>) => void;

export function createZnodeTree(onChange: OnChange): ZnodeTree {
  const nodes = new Map<string, Node>([["/", newNode(0n, new Uint8Array(0), 0n, 0)]]);
  let zxid = 0n;

  function newNode(owner: bigint, data: Uint8Array, at: bigint, wall: number): Node {
    return {
      ...{ data, version: 0, childrenVersion: 0, nextNumber: 0, children: new Set<string>() },
      ...{ owner, czxid: at, mzxid: at, pzxid: at, createdAt: wall, changedAt: wall },
    };
  }

  /** Does one operation on the nodes themselves; `undo` takes it back. */
  function perform(
    session: bigint,
    operation: ZkOperation,
    wall: number,
    changes: Parameters<OnChange>[0][],
    undo: (() => void)[],
  ): ZkResult {
    const fail = (reason: ZkReason): never => {
      // In the words of ZooKeeper's client, so that nobody can tell them apart.
      const words = reason.replaceAll("_", " ");
      throw new ZkError(reason, `${operation.kind} ${operation.path}: ${words}`);
    };
    const existing = (path: string): Node => nodes.get(path) ?? fail("no_node");
    if (operation.kind === "create") {
      const parentPath = parentOf(operation.path);
      const parent = existing(parentPath);
      if (parent.owner !== 0n) fail("no_children_for_ephemerals");
      const mode = operation.mode ?? "persistent";
      const number = parent.nextNumber;
      const suffix = mode.endsWith("sequential") ? String(number).padStart(10, "0") : "";
      const path = operation.path + suffix;
      if (nodes.has(path)) fail("node_exists");
      const owner = mode.startsWith("ephemeral") ? session : 0n;
      const before = { ...parent };
      nodes.set(path, newNode(owner, operation.data, zxid, wall));
      parent.children.add(nameOf(path));
      parent.nextNumber = number + 1;
      parent.childrenVersion++;
      parent.pzxid = zxid;
      changes.push({ kind: "created", path }, { kind: "children", path: parentPath });
      undo.push(() => {
        nodes.delete(path);
        parent.children.delete(nameOf(path));
        Object.assign(parent, before);
      });
      return { kind: "create", path };
    }
    const { path } = operation;
    const node = existing(path);
    const wanted =
      operation.version === "exists" ? node.version : checkedVersion(operation.version);
    if (wanted !== node.version) fail("bad_version");
    if (operation.kind === "check") return { kind: "check" };
    if (operation.kind === "set") {
      const before = { ...node };
      node.data = operation.data;
      node.version = nextVersion(node.version);
      node.mzxid = zxid;
      node.changedAt = wall;
      changes.push({ kind: "changed", path });
      undo.push(() => void Object.assign(node, before));
      return { kind: "set", stat: statOf(node) };
    }
    if (node.children.size > 0) fail("not_empty");
    const parent = existing(parentOf(path));
    const before = { ...parent };
    nodes.delete(path);
    parent.children.delete(nameOf(path));
    parent.childrenVersion++;
    parent.pzxid = zxid;
    changes.push({ kind: "deleted", path }, { kind: "children", path: parentOf(path) });
    undo.push(() => {
      nodes.set(path, node);
      parent.children.add(nameOf(path));
      Object.assign(parent, before);
    });
    return { kind: "delete" };
  }

  const tree: ZnodeTree = {
    get zxid() {
      return zxid;
    },
    apply(session, operations, wall) {
      const changes: Parameters<OnChange>[0][] = [];
      const undo: (() => void)[] = [];
      zxid++;
      let results: ZkResult[];
      try {
        results = operations.map((one) => perform(session, one, wall, changes, undo));
      } catch (error) {
        for (const back of undo.toReversed()) back();
        throw error;
      }
      for (const change of changes) onChange(change);
      return results;
    },
    get(path) {
      const node = nodes.get(path);
      return node && { data: node.data, stat: statOf(node) };
    },
    children: (path) => {
      const node = nodes.get(path);
      return node && [...node.children];
    },
    end(session) {
      const own = [...nodes].filter(([, { owner }]) => owner === session && owner !== 0n);
      for (const [path, { version }] of own) {
        tree.apply(session, [{ kind: "delete", path, version }], 0);
      }
    },
  };
  return tree;
}

function statOf(node: Node): ZkStat {
  const { czxid, mzxid, pzxid, createdAt, changedAt, version, childrenVersion } = node;
  return {
    ...{ czxid, mzxid, pzxid, createdAt, changedAt, version, childrenVersion },
    ephemeralOwner: node.owner,
    dataBytes: node.data.length,
    childCount: node.children.size,
  };
}

/** Versions are signed 32 bits and go round; -1 would mean any, so it is left out. */
function nextVersion(version: number): number {
  const next = (version + 1) | 0;
  return next === -1 ? 0 : next;
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash <= 0 ? "/" : path.slice(0, slash);
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
