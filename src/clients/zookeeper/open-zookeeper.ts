import { checkZkPath } from "./address.ts";
import type { CreateOptions, ZkAcl, ZkSession, ZkWatcher } from "./port.ts";
import { checkedVersion, opcode, readMulti, readStat, writeCreate, writeMulti } from "./records.ts";
import type { ZkWatch } from "./request-queue.ts";
import { openChannel, type ZkChannel, type ZkSessionOptions } from "./session.ts";
import type { WatchKind } from "./watches.ts";

export type OpenZookeeperOptions = ZkSessionOptions & {
  /** Of what is created; everybody may do everything unless told. */
  readonly acl?: readonly ZkAcl[];
};

/** Nobody but whoever has the same credentials may do anything. */
export const creatorOnly: readonly ZkAcl[] = [{ permissions: "cdrwa", scheme: "auth", id: "" }];
const anyone: readonly ZkAcl[] = [{ permissions: "cdrwa", scheme: "world", id: "anyone" }];

const noNode = -101;

/**
 * Opens a session. Requests may be made at once: they wait for the connection, at most as long as
 * a session lasts. They reject with `ZkError`: what ZooKeeper answered, or that the answer was lost.
 * The channel may be another than one of this thread.
 */
export function openZookeeper(
  options: OpenZookeeperOptions,
  channel: ZkChannel = openChannel(options),
): ZkSession {
  const { chroot } = options.address;
  const defaultAcl = options.acl ?? anyone;
  const shortenedWatchers = new WeakMap<ZkWatcher, ZkWatcher>();

  function full(path: string): string {
    checkZkPath(path);
    return path === "/" && chroot !== "" ? chroot : chroot + path;
  }

  /** The caller's spelling of a path of the server. */
  function short(path: string): string {
    if (chroot === "" || !path.startsWith(chroot)) return path;
    return path.length === chroot.length ? "/" : path.slice(chroot.length);
  }

  return {
    get state() {
      return channel.state;
    },
    get id() {
      return channel.id;
    },
    get timeoutMs() {
      return channel.timeoutMs;
    },
    get heard() {
      return channel.heard;
    },
    onState: channel.onState,
    close: (deadlineMs = 2_000) => channel.close(deadlineMs),
    async create(path, data, create: CreateOptions = {}) {
      const at = full(path);
      return channel.request({
        ...{ what: `create ${path}`, opcode: opcode.create2, writes: true },
        write: (out) => writeCreate(out, at, { data, acl: defaultAcl, ...create }),
        read: (from) => short(from.text()),
      });
    },
    async exists(path, watch) {
      const at = full(path);
      return channel.request({
        ...{ what: `exists ${path}`, opcode: opcode.exists, writes: false, takesErrors: [noNode] },
        write: (out) => void out.text(at).bool(watch !== undefined),
        watch: watchFor("data", at, watch),
        read: (from, errno) => (errno === 0 ? readStat(from) : null),
      });
    },
    async get(path, watch) {
      const at = full(path);
      return channel.request({
        ...{ what: `get ${path}`, opcode: opcode.getData, writes: false },
        write: (out) => void out.text(at).bool(watch !== undefined),
        watch: watchFor("data", at, watch),
        read: (from) => ({ data: from.bytes(), stat: readStat(from) }),
      });
    },
    async children(path, watch) {
      const at = full(path);
      return channel.request({
        ...{ what: `children ${path}`, opcode: opcode.getChildren2, writes: false },
        write: (out) => void out.text(at).bool(watch !== undefined),
        watch: watchFor("child", at, watch),
        read: (from) => ({ names: from.list(from.text), stat: readStat(from) }),
      });
    },
    async set(path, data, version) {
      const at = full(path);
      return channel.request({
        ...{ what: `set ${path}`, opcode: opcode.setData, writes: true },
        write: (out) => void out.text(at).bytes(data).int(checkedVersion(version)),
        read: readStat,
      });
    },
    async delete(path, version) {
      const at = full(path);
      return channel.request({
        ...{ what: `delete ${path}`, opcode: opcode.delete, writes: true },
        write: (out) => void out.text(at).int(checkedVersion(version)),
        read: () => undefined,
      });
    },
    async multi(operations) {
      return channel.request({
        ...{ what: "multi", opcode: opcode.multi, writes: true },
        write: (out) => writeMulti(out, operations, full, defaultAcl),
        read: (from) => readMulti(from, operations, short),
      });
    },
    async sync(path) {
      const at = full(path);
      return channel.request({
        ...{ what: `sync ${path}`, opcode: opcode.sync, writes: false },
        write: (out) => void out.text(at),
        read: () => undefined,
      });
    },
  };

  function watchFor(kind: WatchKind, path: string, watch?: ZkWatcher): ZkWatch | undefined {
    return watch && { kind, path, watcher: shortened(watch) };
  }

  /** The same for the same watcher, so that one that is given twice is called once. */
  function shortened(watch: ZkWatcher): ZkWatcher {
    if (chroot === "") return watch;
    const known = shortenedWatchers.get(watch);
    if (known) return known;
    const made: ZkWatcher = ({ kind, path }) => watch({ kind, path: short(path) });
    shortenedWatchers.set(watch, made);
    return made;
  }
}
