import { Hono } from "hono";
import type { ZodType } from "zod";
import { problemResponse } from "#src/api/problem.ts";
import type { Clock } from "#src/clock.ts";
import { DbusError } from "#src/errors.ts";
import { readBody } from "#src/http/read-body.ts";
import type { Log } from "#src/log.ts";
import type { LostAnswer } from "../agreement.ts";
import { answerMs, callBytesMax, doorbellSchema, lostCallSchema, rpcPaths } from "./messages.ts";
import { createNonces } from "./nonces.ts";
import { headers, isSignedBy, type Signed, sign } from "./signature.ts";

/** What is done when another participant calls. They answer at once: nobody waits for long. */
export type RpcHandlers = {
  /** There may be a decision of that number. */
  doorbell(gen: number, epoch: number): void;
  /** Whether ZooKeeper is lost here too. */
  lost(): LostAnswer;
};

export type RpcAppOptions = {
  readonly key: string;
  readonly clusterId: string;
  readonly pid: string;
  readonly handlers: RpcHandlers;
  readonly log: Log;
  readonly clock: Clock;
};

type Call = { readonly from: string; readonly nonce: string; readonly body: Buffer };
type Env = { Variables: { call: Call } };

/** Calls that are read or answered at the same time; more are turned away. */
const callsMax = 64;
const tellMs = 60_000;

/** The Hono app: whatever is not signed by this cluster for this participant gets nothing done. */
export function createRpcApp(options: RpcAppOptions): Hono<Env> {
  const { key, clusterId, pid, handlers, log, clock } = options;
  const nonces = createNonces(clock);
  const app = new Hono<Env>();
  let calls = 0;
  let refused = 0;
  let toldAt = Number.NEGATIVE_INFINITY;

  app.use(async (context, next) => {
    if (calls >= callsMax) throw new Refusal(503, "there are too many calls at the same time");
    calls++;
    try {
      context.set("call", await verified(context.req.raw));
      await next();
    } finally {
      calls--;
    }
  });
  app.post(rpcPaths.doorbell, (context) => {
    const call = context.get("call");
    const { epoch, gen } = parse(doorbellSchema, call);
    handlers.doorbell(gen, epoch);
    return answer(call, {});
  });
  app.post(rpcPaths.lost, (context) => {
    const call = context.get("call");
    parse(lostCallSchema, call);
    return answer(call, handlers.lost());
  });
  app.notFound(() => problemResponse(new DbusError("NOT_FOUND", "nothing to call here")));
  app.onError((error) => {
    if (!(error instanceof Refusal)) {
      log.error("a call of another participant failed", { error });
      return problemResponse(error);
    }
    tell(error.message);
    return problemResponse(new DbusError("CLUSTER_RPC_REFUSED", error.message), error.status);
  });
  return app;

  /** Throws `Refusal` unless the call is signed, for us, within its time, and not one of before. */
  async function verified(request: Request): Promise<Call> {
    const body = await readBody(request, callBytesMax, answerMs, clock);
    if (!("bytes" in body)) throw new Refusal(body.status, "the body is too large, or too slow");
    const from = request.headers.get(headers.from);
    const nonce = request.headers.get(headers.nonce);
    const time = Number(request.headers.get(headers.time) ?? Number.NaN);
    if (from === null || !nonce?.match(/^[0-9a-f]{32}$/) || !Number.isSafeInteger(time)) {
      throw new Refusal(403, "a header of the signature is missing");
    }
    const { pathname, search } = new URL(request.url, "http://localhost");
    const call: Signed = {
      ...{ kind: "call", cluster: clusterId, from, to: pid, nonce, time, body: body.bytes },
      ...{ method: request.method, path: pathname + search },
    };
    if (!isSignedBy(key, request.headers.get(headers.signature), call)) {
      throw new Refusal(403, "not signed with this cluster's key for this participant");
    }
    const freshness = nonces.take(nonce, time);
    if (freshness === "full") throw new Refusal(503, "more calls than can be remembered");
    if (freshness !== "fresh") throw new Refusal(403, why[freshness]);
    return { from, nonce, body: body.bytes };
  }

  function parse<T>(schema: ZodType<T & { cluster: string }>, { body }: Call) {
    const parsed = schema.safeParse(jsonOf(body));
    if (!parsed.success || parsed.data.cluster !== clusterId) {
      throw new Refusal(400, "the body is not what is called for");
    }
    return parsed.data;
  }

  function answer({ from, nonce }: Call, value: object): Response {
    const body = Buffer.from(JSON.stringify(value));
    const signed = { kind: "answer", cluster: clusterId, from: pid, to: from, nonce } as const;
    const signature = sign(key, { ...signed, status: 200, body });
    const more = { "content-type": "application/json", [headers.signature]: signature };
    return new Response(body, { headers: more });
  }

  /** Who tries keys does not get a line of the log for each. */
  function tell(reason: string): void {
    refused++;
    if (clock.now() - toldAt < tellMs) return;
    toldAt = clock.now();
    log.warn("calls in the name of a participant were refused", { count: refused, reason });
    refused = 0;
  }
}

const why = {
  stale: "made at another time: are the clocks of both machines right?",
  replayed: "heard before",
} as const;

function jsonOf(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    return undefined;
  }
}

/** Says with which status a call is turned away. */
class Refusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}
