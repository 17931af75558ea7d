import type { ZkOperation } from "#src/clients/zookeeper/port.ts";
import type { ZnodeTree } from "#src/cluster/embedded/znode-tree.ts";
import {
  type AssignRecord,
  assignSchema,
  checkpointSchema,
  claimSchema,
  decisionSchema,
  decode,
  epochSchema,
  participantSchema,
  resourceSchema,
  statusSchema,
} from "#src/cluster/records.ts";

export type ChecksDeps = {
  readonly tree: ZnodeTree;
  readonly violated: (what: string) => void;
  /** The process that the session is of, if it is alive. */
  readonly writerOf: (session: bigint) => string | undefined;
  /** Rows that were emitted of a resource so far. */
  readonly emitted: (rid: string) => number;
  /** Whether the process of a session has promised others to decide nothing. */
  readonly isBound: (session: bigint) => boolean;
  /** What came of the last opening of a resource by a process under a fence. */
  readonly hasFailed: (pid: string, rid: string, fence: number) => boolean;
};

export type Checks = {
  /** Looks at a write before it is done; what it answers is called when it was. */
  onWrite(session: bigint, operations: readonly ZkOperation[]): () => void;
  /** The newest decision that was written. */
  readonly gen: number;
  readonly decisions: number;
  /** How often each resource was revoked. */
  readonly revoked: ReadonlyMap<string, number>;
};

type Change = Extract<ZkOperation, { kind: "create" | "set" | "delete" }>;

function isAbsence(operations: readonly ZkOperation[], path: string): boolean {
  const own = operations.filter((one) => one.path === path).map(({ kind }) => kind);
  return own.join() === "create,delete";
}

/**
 * What must be true of every write to ZooKeeper at the moment at which it is done, whoever does it
 * and for whatever reason: the page of the protocol, as a list.
 */
export function createChecks(deps: ChecksDeps): Checks {
  const { tree, violated, writerOf } = deps;
  const committed = new Map<string, { seq: number; position: number }>();
  const revoked = new Map<string, number>();
  const names = new Set<string>();
  let gen = 0;
  let decisions = 0;
  let epoch = 0;
  let raisedBy: bigint | undefined;

  const nodeAt = <T>(path: string, schema: Parameters<typeof decode<T>>[0]) => {
    const node = tree.get(path);
    return node && { record: decode(schema, node.data, path), stat: node.stat };
  };
  const assignOf = (rid: string) => nodeAt(`/assign/${rid}`, assignSchema);
  const claimOf = (rid: string) => nodeAt(`/claim/${rid}`, claimSchema);

  /** Every write names what it relies on, so that ZooKeeper refuses it when that has changed. */
  function checkFences(
    session: bigint,
    operations: readonly ZkOperation[],
    change: Change,
    say: (what: string) => void,
  ): void {
    const [folder, name = ""] = change.path.slice(1).split("/");
    // The folders themselves are made by whoever comes first.
    if (name === "" && !["decision", "leader", "request"].includes(folder ?? "")) return;
    const checks = operations.filter((one) => one.kind === "check");
    const byLeader = () => {
      const decides = folder === "decision" || change.kind === "set";
      if (decides && deps.isBound(session)) say(`${change.kind} ${change.path} against a promise`);
      const epochIs = checks.some(
        ({ path, version }) => path === "/leader_epoch" && version !== "exists",
      );
      const stands = checks.some(
        ({ path }) =>
          path.startsWith("/election/") && tree.get(path)?.stat.ephemeralOwner === session,
      );
      if (!epochIs || !stands) say(`${change.kind} ${change.path} without a leader's fence`);
      if (session !== raisedBy)
        say(
          `${change.kind} ${change.path} by ${writerOf(session)}, which did not begin epoch ${epoch}`,
        );
    };
    const byOwner = () => {
      const fence = assignOf(name)?.stat.version;
      const given = checks.find(({ path }) => path === `/assign/${name}`)?.version;
      if (given !== fence)
        say(`${change.kind} ${change.path} under fence ${given}, it is ${fence}`);
    };
    switch (folder) {
      case "decision":
      case "assign":
      case "resources":
      case "wishes":
      case "history":
      case "request":
        byLeader();
        return;
      case "ckpt":
      case "status":
        byOwner();
        return;
      case "claim":
        // One that comes and goes with its own write is the check that there is none.
        if (isAbsence(operations, change.path)) return;
        if (change.kind === "delete" && checks.some(({ path }) => path === "/leader_epoch")) {
          byLeader();
          checkTaken(name, operations, say);
        } else byOwner();
        return;
      case "leader":
        if (change.kind === "delete" && tree.get(change.path)?.stat.ephemeralOwner !== session) {
          say("the node of another leader was deleted");
        }
    }
  }

  /** A claim that holds is taken from its owner only together with its fence. */
  function checkTaken(
    rid: string,
    operations: readonly ZkOperation[],
    say: (what: string) => void,
  ): void {
    const claim = claimOf(rid);
    const assign = assignOf(rid);
    const isForced = operations.some(
      ({ kind, path }) => kind === "set" && path === `/assign/${rid}`,
    );
    if (!claim || isForced || claim.record.fence !== assign?.stat.version) return;
    const owner = nodeAt(`/participants/${claim.record.pid}`, participantSchema);
    if (owner?.record.inc === claim.record.inc) say(`the claim of ${rid} was taken and holds`);
  }

  function checkChange(session: bigint, change: Change, before: Before): void {
    const [folder, name = ""] = change.path.slice(1).split("/");
    if (name === "" && !["decision", "leader_epoch"].includes(folder ?? "")) return;
    if (change.kind === "delete") {
      if (folder === "claim" && before.claim?.owner === session) checkReason(name, before.claim);
      return;
    }
    if (folder === "ckpt") checkCommit(session, name);
    else if (folder === "claim" && tree.get(change.path)) checkClaim(session, name);
    else if (folder === "assign") checkAssign(name, before.assign);
    else if (folder === "decision") checkDecision();
    else if (folder === "leader_epoch") checkEpoch(session);
    else if (folder === "resources" && change.kind === "create") checkResource(name);
  }

  /** No commit by anyone but the holder of the newest fence, and no watermark goes back. */
  function checkCommit(session: bigint, rid: string): void {
    const assign = assignOf(rid);
    const record = nodeAt(`/ckpt/${rid}`, checkpointSchema)?.record;
    if (!record || !assign) {
      violated(`${rid} was committed, and nobody knows it`);
      return;
    }
    if (record.fence !== assign.stat.version) {
      violated(`${rid} was committed under fence ${record.fence}, it is ${assign.stat.version}`);
    }
    const writer = writerOf(session);
    if (writer !== undefined && assign.record.owner !== writer)
      violated(`${rid} of ${assign.record.owner} was committed by ${writer}`);
    const position = Number(record.positions["0"] ?? 0);
    const before = committed.get(rid) ?? { seq: 0, position: 0 };
    if (record.seq <= before.seq || position < before.position)
      violated(`${rid} went back from ${before.position} to ${position}`);
    if (position > deps.emitted(rid)) violated(`${rid} was committed beyond what was emitted`);
    committed.set(rid, { seq: record.seq, position });
  }

  /** Only who was given it under this fence claims it. */
  function checkClaim(session: bigint, rid: string): void {
    const claim = claimOf(rid)?.record;
    const assign = assignOf(rid);
    if (!claim || !assign) {
      violated(`${rid} was claimed, and nobody knows it`);
      return;
    }
    const { owner, inc } = assign.record;
    const writer = writerOf(session);
    if (claim.fence !== assign.stat.version || claim.pid !== owner || claim.inc !== inc)
      violated(`${rid} was claimed by ${claim.pid} (${claim.fence}), it is ${owner}'s`);
    if (writer !== undefined && writer !== claim.pid) violated(`${writer} claims as ${claim.pid}`);
  }

  /** Nothing is given away that somebody has, and nothing that no decision has said. */
  function checkAssign(rid: string, before: Before["assign"]): void {
    const record = assignOf(rid)?.record;
    if (!record) return;
    if (record.owner === null) {
      if (before && before.owner === null) violated(`${rid} was taken from nobody`);
    } else {
      if (claimOf(rid)) violated(`${rid} was given to ${record.owner} while it is claimed`);
      if (record.epoch !== epoch) violated(`${rid} was given in epoch ${record.epoch} of ${epoch}`);
      const said = nodeAt("/decision", decisionSchema)?.record;
      if (said?.gen !== record.gen || said.assign[rid] !== record.owner)
        violated(`${rid} was given to ${record.owner} by ${record.gen}, decided is ${said?.gen}`);
    }
    if (!before) return;
    const prev: AssignRecord["prev"] =
      before.owner === null ? before.prev : { pid: before.owner, fence: before.version };
    if (JSON.stringify(prev) !== JSON.stringify(record.prev))
      violated(`${rid} was ${prev?.pid}'s, not ${record.prev?.pid}'s`);
  }

  /** Every decision is written by the leader of its epoch, and follows the last. */
  function checkDecision(): void {
    const said = nodeAt("/decision", decisionSchema)?.record;
    if (!said) return;
    if (said.epoch !== epoch) violated(`a decision of epoch ${said.epoch} in epoch ${epoch}`);
    if (said.gen !== gen + 1) violated(`decision ${said.gen} came after ${gen}`);
    gen = said.gen;
    decisions++;
    const rids = Object.keys(said.revoke);
    for (const rid of rids) revoked.set(rid, (revoked.get(rid) ?? 0) + 1);
    const movesMax = Math.max(1, Math.floor((tree.children("/resources")?.length ?? 0) / 5));
    if (rids.length > movesMax) violated(`decision ${gen} moves ${rids.length} resources`);
  }

  function checkEpoch(session: bigint): void {
    const now = nodeAt("/leader_epoch", epochSchema)?.record.epoch ?? 0;
    if (now !== 0 && now !== epoch + 1) violated(`the epoch went from ${epoch} to ${now}`);
    epoch = now;
    raisedBy = session;
  }

  /** A resource comes whole, and once. */
  function checkResource(rid: string): void {
    if (!assignOf(rid)) violated(`${rid} was registered by half`);
    const record = nodeAt(`/resources/${rid}`, resourceSchema)?.record;
    const name = JSON.stringify([record?.input, record?.resource]);
    if (names.has(name)) violated(`${name} was registered twice`);
    names.add(name);
  }

  /** Who gives up what it could not open has said why. */
  function checkReason(rid: string, claim: { readonly pid: string; readonly fence: number }): void {
    if (!deps.hasFailed(claim.pid, rid, claim.fence)) return;
    const status = nodeAt(`/status/${rid}`, statusSchema)?.record;
    if (status?.state !== "failed" || status.fence !== claim.fence || !status.reason)
      violated(`${rid} could not be opened by ${claim.pid}, and nobody is told why`);
  }

  type Before = {
    readonly assign?: { version: number } & Pick<AssignRecord, "owner" | "prev">;
    readonly claim?: { owner: bigint; pid: string; fence: number };
  };

  function stateBefore({ path }: Change): Before {
    const [folder, name = ""] = path.slice(1).split("/");
    if (folder === "assign") {
      const at = assignOf(name);
      if (!at) return {};
      const { owner, prev } = at.record;
      return { assign: { owner, version: at.stat.version, prev } };
    }
    if (folder === "claim") {
      const at = claimOf(name);
      if (!at) return {};
      const { pid, fence } = at.record;
      return { claim: { owner: at.stat.ephemeralOwner, pid, fence } };
    }
    return {};
  }

  return {
    get gen() {
      return gen;
    },
    get decisions() {
      return decisions;
    },
    revoked,
    onWrite(session, operations) {
      const changes = operations.filter((one) => one.kind !== "check");
      const before = changes.map(stateBefore);
      const fences = changes.map((change) => {
        const said: string[] = [];
        checkFences(session, operations, change, (what) => said.push(what));
        return said;
      });
      return () => {
        for (const said of fences) said.forEach((what) => void violated(what));
        changes.forEach((change, at) => void checkChange(session, change, before[at] ?? {}));
      };
    },
  };
}
