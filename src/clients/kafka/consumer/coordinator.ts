import { type Clock, sleep } from "../../../clock.ts";
import type { BrokerConnection } from "../broker-connection.ts";
import type { Cluster } from "../cluster.ts";
import type { CommitOffset } from "../port.ts";
import { findCoordinator, type Member } from "../wire/group.ts";
import { commitOffsets, fetchOffsets } from "../wire/group-offsets.ts";
import { coordinatorMoves, noError, protocolError } from "../wire/protocol-errors.ts";

/** The broker that keeps a group, wherever it is now. */
export type Coordinator = {
  connection(): Promise<BrokerConnection>;
  /** Looks for it again the next time. */
  forget(): void;
  /** What the group has committed. */
  committed(): Promise<readonly CommitOffset[]>;
  /** Throws KAFKA_REBALANCED for a member of another generation. */
  commit(member: Member, offsets: readonly CommitOffset[]): Promise<void>;
};

type Around = { readonly clock: Clock; readonly requestTimeoutMs: number };

export function createCoordinator(
  cluster: Cluster,
  group: string,
  { clock, requestTimeoutMs }: Around,
): Coordinator {
  let nodeId: number | undefined;

  async function connection(): Promise<BrokerConnection> {
    nodeId ??= await find();
    try {
      return await cluster.node(nodeId);
    } catch (error) {
      nodeId = undefined;
      throw error;
    }
  }

  const moves = (codes: readonly number[]) => codes.some((code) => coordinatorMoves.includes(code));

  /** A group's broker that has just started, or has just stopped being it, is asked again. */
  async function patiently<T>(ask: () => Promise<T>, codesOf: (answer: T) => readonly number[]) {
    const deadline = clock.now() + requestTimeoutMs;
    for (;;) {
      const answer = await ask();
      const codes = codesOf(answer).filter((code) => code !== noError);
      if (codes.length === 0) return answer;
      if (!moves(codes) || clock.now() > deadline) {
        throw protocolError(codes[0] as number, `group ${group}`);
      }
      nodeId = undefined;
      await sleep(clock, 100);
    }
  }

  async function find(): Promise<number> {
    const found = await patiently(
      async () => findCoordinator(await cluster.any(), group),
      ({ errorCode }) => [errorCode],
    );
    return found.nodeId;
  }

  return {
    connection,
    forget: () => {
      nodeId = undefined;
    },
    async committed() {
      const { offsets } = await patiently(
        async () => fetchOffsets(await connection(), group),
        ({ errorCode, offsets }) => [errorCode, ...offsets.map((one) => one.errorCode)],
      );
      return offsets.filter(({ offset }) => offset >= 0);
    },
    async commit(member, offsets) {
      if (offsets.length === 0) return;
      await patiently(
        async () => commitOffsets(await connection(), member, offsets),
        (answers) => answers.map(({ errorCode }) => errorCode),
      );
    },
  };
}
