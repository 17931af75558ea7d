import { assert } from "../../assert.ts";
import { DbusError } from "../../errors.ts";
import type { JuteReader, JuteWriter } from "./jute.ts";
import type { CreateMode, ZkAcl, ZkEvent, ZkOperation, ZkResult, ZkStat } from "./port.ts";
import { serverError } from "./zk-error.ts";

/** Numbers of requests: `ZooDefs.OpCode` of ZooKeeper 3.9. */
export const opcode = {
  delete: 2,
  exists: 3,
  getData: 4,
  setData: 5,
  sync: 9,
  getChildren2: 12,
  check: 13,
  multi: 14,
  create2: 15,
  auth: 100,
  setWatches: 101,
  closeSession: -11,
  error: -1,
} as const;

/** Ids of what is no reply to a request of ours. */
export const xid = { notification: -1, auth: -4, setWatches: -8 } as const;

const createFlags: Readonly<Record<CreateMode, number>> = {
  persistent: 0,
  ephemeral: 1,
  persistent_sequential: 2,
  ephemeral_sequential: 3,
};

const permissionBits: Readonly<Record<string, number>> = { r: 1, w: 2, c: 4, d: 8, a: 16 };

/*
 *   ConnectRequest   protocol:int lastZxid:long timeout:int session:long password:buffer readOnly:bool
 *   ConnectResponse  protocol:int timeout:int session:long password:buffer [readOnly:bool]
 */
export type Hello = {
  readonly lastZxid: bigint;
  readonly timeoutMs: number;
  readonly session: bigint;
  readonly password: Uint8Array;
};

export function writeHello(out: JuteWriter, hello: Hello): void {
  out.int(0).long(hello.lastZxid).int(hello.timeoutMs).long(hello.session);
  out.bytes(hello.password).bool(false);
}

/** A timeout of 0 says that the session has expired. */
export function readWelcome(from: JuteReader): Omit<Hello, "lastZxid"> {
  from.int();
  const timeoutMs = from.int();
  return { timeoutMs, session: from.long(), password: from.bytes() };
}

function writeAcl(out: JuteWriter, acl: readonly ZkAcl[]): void {
  out.list(acl, ({ permissions, scheme, id }) => {
    let bits = 0;
    for (const letter of permissions) {
      const bit = permissionBits[letter];
      assert(bit !== undefined, "permissions are letters of cdrwa");
      bits |= bit;
    }
    out.int(bits).text(scheme).text(id);
  });
}

export function readStat(from: JuteReader): ZkStat {
  const czxid = from.long();
  const mzxid = from.long();
  const createdAt = Number(from.long());
  const changedAt = Number(from.long());
  const version = from.int();
  const childrenVersion = from.int();
  from.int();
  const ephemeralOwner = from.long();
  const dataBytes = from.int();
  const childCount = from.int();
  const pzxid = from.long();
  const at = { createdAt, changedAt, version, childrenVersion, ephemeralOwner };
  return { czxid, mzxid, pzxid, ...at, dataBytes, childCount };
}

/**
 * Every write names the version that it expects: -1 would take any, which is how a process that
 * has lost its right overwrites what a newer one wrote. Throws INVARIANT.
 */
export function checkedVersion(version: number): number {
  assert(Number.isInteger(version) && version !== -1, "a write without a version");
  return version;
}

export function writeCreate(
  out: JuteWriter,
  path: string,
  create: { readonly data: Uint8Array; readonly mode?: CreateMode; readonly acl: readonly ZkAcl[] },
): void {
  out.text(path).bytes(create.data);
  writeAcl(out, create.acl);
  out.int(createFlags[create.mode ?? "persistent"]);
}

const multiOpcode = {
  create: opcode.create2,
  set: opcode.setData,
  delete: opcode.delete,
  check: opcode.check,
} as const;

/** `(header request)* end`, a header being `opcode:int done:bool error:int`. */
export function writeMulti(
  out: JuteWriter,
  operations: readonly ZkOperation[],
  full: (path: string) => string,
  acl: readonly ZkAcl[],
): void {
  for (const operation of operations) {
    out.int(multiOpcode[operation.kind]).bool(false).int(-1);
    const path = full(operation.path);
    switch (operation.kind) {
      case "create":
        writeCreate(out, path, { ...operation, acl: operation.acl ?? acl });
        break;
      case "set":
        out.text(path).bytes(operation.data).int(checkedVersion(operation.version));
        break;
      case "delete":
        out.text(path).int(checkedVersion(operation.version));
        break;
      case "check": {
        const { version } = operation;
        out.text(path).int(version === "exists" ? -1 : checkedVersion(version));
      }
    }
  }
  out.int(-1).bool(true).int(-1);
}

/**
 * The answers in the order of the operations. When one of them failed none was done, and this
 * throws its error: those before it are answered with 0, those after it with -2.
 */
export function readMulti(
  from: JuteReader,
  operations: readonly ZkOperation[],
  short: (path: string) => string,
): ZkResult[] {
  const results: ZkResult[] = [];
  const errors: number[] = [];
  for (let n = 0; ; n++) {
    const code = from.int();
    const done = from.bool();
    from.int();
    if (done) break;
    if (code === opcode.error) errors[n] = from.int();
    else results.push(readResult(from, code, short));
  }
  const failed = errors.findIndex((errno) => errno !== undefined && errno !== 0 && errno !== -2);
  if (failed >= 0) {
    const { kind, path } = operations[failed] ?? { kind: "multi", path: "" };
    throw serverError(errors[failed] as number, `${kind} ${path}`);
  }
  if (errors.length > 0) throw serverError(-2, "multi");
  return results;
}

function readResult(from: JuteReader, code: number, short: (path: string) => string): ZkResult {
  switch (code) {
    case opcode.create2: {
      const path = short(from.text());
      readStat(from);
      return { kind: "create", path };
    }
    case opcode.setData:
      return { kind: "set", stat: readStat(from) };
    case opcode.delete:
      return { kind: "delete" };
    case opcode.check:
      return { kind: "check" };
    default:
      throw new DbusError("ZOOKEEPER_PROTOCOL", `a multi is answered with operation ${code}`);
  }
}

const eventKinds: Readonly<Record<number, ZkEvent["kind"]>> = {
  1: "created",
  2: "deleted",
  3: "changed",
  4: "children",
};

/** `type:int state:int path:string`; undefined for what is said of the session, which we know. */
export function readEvent(from: JuteReader): ZkEvent | undefined {
  const kind = eventKinds[from.int()];
  from.int();
  const path = from.text();
  return kind === undefined ? undefined : { kind, path };
}
