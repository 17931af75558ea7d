import type { ZkOperation } from "#src/clients/zookeeper/port.ts";
import type { Candidate } from "./assignment/problem.ts";
import type { Census } from "./census.ts";
import { paths, wishPath } from "./paths.ts";
import type { OrderRecord, ParticipantRecord } from "./records.ts";

/** A participant as decisions count it: what an operator ordered goes before what it says itself. */
export function ordered(
  id: string,
  { weight, tags, tenants, state }: ParticipantRecord,
  orders: ReadonlyMap<string, OrderRecord>,
): Candidate {
  const order = orders.get(id);
  const draining = state === "draining" || order?.drain === true;
  return { id, weight: order?.weight ?? weight, tags, tenants, draining };
}

/** Takes a request away, and the wishes that it puts an end to; nothing where there is none. */
export function answered({ request, wishes }: Pick<Census, "request" | "wishes">): ZkOperation[] {
  if (!request) return [];
  return [
    { kind: "delete", path: paths.request, version: request.version },
    ...[...wishes].map(
      ([rid, { version }]): ZkOperation => ({ kind: "delete", path: wishPath(rid), version }),
    ),
  ];
}

/** Who had a part in a decision beside the leader, a sentence each. */
export function askedBy({ request, wishes, orders }: Census): string[] {
  const said = [...orders].flatMap(([pid, { drain, weight, by }]) => [
    ...(drain ? [`${by}: drain ${pid}`] : []),
    ...(weight === null ? [] : [`${by}: weight ${pid} ${weight}`]),
  ]);
  if (request) return [`${request.record.by}: rebalance`, ...said];
  return [
    ...[...wishes].map(([rid, { record }]) => `${record.by}: ${rid} to ${record.to}`),
    ...said,
  ];
}
