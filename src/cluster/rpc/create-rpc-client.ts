import { randomBytes } from "node:crypto";
import type { Clock } from "#src/clock.ts";
import { DbusError } from "#src/errors.ts";
import { type Log, silentLog } from "#src/log.ts";
import type { LostAnswer } from "../agreement.ts";
import { answerMs, lostAnswerSchema, rpcPaths } from "./messages.ts";
import { postOnce } from "./post-once.ts";
import { headers, isSignedBy, sign } from "./signature.ts";

export type RpcClientOptions = {
  readonly key: string | undefined;
  readonly clusterId: string;
  readonly pid: string;
  /** Speaks TLS, and believes these authorities (PEM), or else those of the system. */
  readonly tls?: { readonly ca?: string | undefined } | undefined;
  readonly clock: Clock;
  readonly log?: Log;
  /** How long an answer may take; a second unless told. */
  readonly timeoutMs?: number;
};

export type RpcClient = {
  /** Tells a participant that there is a decision. It may be lost, and nobody is told of that. */
  ring(pid: string, rpc: string, gen: number, epoch: number): void;
  /** Rejects with CLUSTER_RPC_UNANSWERED or CLUSTER_RPC_REFUSED: then there is no answer at all. */
  askLost(pid: string, rpc: string): Promise<LostAnswer>;
};

/** Doorbells on their way at the same time. More are of no use: they are found without, too. */
const ringsMax = 256;

/** Calls other participants. Each call has a connection of its own, so none can wait in an old one. */
export function createRpcClient(options: RpcClientOptions): RpcClient {
  const { key = "", clusterId: cluster, pid: from, clock } = options;
  const { timeoutMs = answerMs, log = silentLog } = options;
  let rings = 0;

  async function call(to: string, rpc: string, path: string, value: object): Promise<Buffer> {
    const body = Buffer.from(JSON.stringify(value));
    const nonce = randomBytes(16).toString("hex");
    const time = Math.round(clock.wall());
    const method = "POST";
    const parts = { kind: "call", cluster, from, to, method, path, time, nonce, body } as const;
    const answer = await postOnce({
      ...{ rpc, path, body, clock, timeoutMs, tls: options.tls },
      headers: {
        "content-type": "application/json",
        [headers.from]: from,
        [headers.time]: String(time),
        [headers.nonce]: nonce,
        [headers.signature]: sign(key, parts),
      },
    });
    const { status } = answer;
    if (status !== 200) {
      const refused = status >= 400 && status < 500;
      const code = refused ? "CLUSTER_RPC_REFUSED" : "CLUSTER_RPC_UNANSWERED";
      throw new DbusError(code, `${to} at ${rpc} answers with status ${status}`);
    }
    const said = { kind: "answer", cluster, from: to, to: from, nonce, status } as const;
    if (!isSignedBy(key, answer.signature, { ...said, body: answer.body })) {
      throw new DbusError("CLUSTER_RPC_REFUSED", `the answer from ${rpc} is not signed by ${to}`);
    }
    return answer.body;
  }

  return {
    ring(pid, rpc, gen, epoch) {
      if (rings >= ringsMax) return;
      rings++;
      call(pid, rpc, rpcPaths.doorbell, { cluster, epoch, gen })
        .catch((error: unknown) =>
          log.debug("a doorbell was not heard", { participant: pid, error }),
        )
        .finally(() => {
          rings--;
        });
    },
    async askLost(pid, rpc) {
      const body = await call(pid, rpc, rpcPaths.lost, { cluster });
      return lostAnswerSchema.parse(JSON.parse(body.toString("utf8")));
    },
  };
}
