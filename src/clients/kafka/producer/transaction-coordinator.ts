import { sleep } from "../../../clock.ts";
import type { BrokerConnection } from "../broker-connection.ts";
import type { Cluster } from "../cluster.ts";
import type { KafkaTransactorOptions } from "../port.ts";
import { findCoordinator } from "../wire/group.ts";
import {
  concurrentTransactions,
  coordinatorMoves,
  noError,
  protocolError,
} from "../wire/protocol-errors.ts";

/** The broker that keeps a transactional id, wherever it is now. */
export type TransactionCoordinator = {
  /**
   * Asks it, and again while it moves, or ends what was before. Resolves to its last answer,
   * throws where there was none.
   */
  ask<T>(
    request: (connection: BrokerConnection) => Promise<T>,
    codesOf: (answer: T) => readonly number[],
  ): Promise<T>;
};

/** Markers of a transaction are written within a few milliseconds. */
const concurrentPauseMs = 10;
const movedPauseMs = 100;

export function createTransactionCoordinator(
  cluster: Cluster,
  { transactionalId, clock, requestTimeoutMs }: KafkaTransactorOptions,
): TransactionCoordinator {
  let nodeId: number | undefined;

  const isMoving = (codes: readonly number[]) =>
    codes.some((code) => coordinatorMoves.includes(code));

  async function find(deadline: number): Promise<number> {
    for (;;) {
      const found = await findCoordinator(await cluster.any(), transactionalId, "transaction");
      if (found.errorCode === noError) return found.nodeId;
      if (!isMoving([found.errorCode]) || clock.now() >= deadline) {
        throw protocolError(found.errorCode, `transactional id ${transactionalId}`);
      }
      await sleep(clock, movedPauseMs);
    }
  }

  return {
    async ask(request, codesOf) {
      const deadline = clock.now() + requestTimeoutMs;
      for (;;) {
        nodeId ??= await find(deadline);
        let codes: readonly number[];
        try {
          const answer = await request(await cluster.node(nodeId));
          codes = codesOf(answer);
          const again = isMoving(codes) || codes.includes(concurrentTransactions);
          if (!again || clock.now() >= deadline) return answer;
        } catch (error) {
          nodeId = undefined;
          throw error;
        }
        if (isMoving(codes)) nodeId = undefined;
        await sleep(clock, isMoving(codes) ? movedPauseMs : concurrentPauseMs);
      }
    },
  };
}
