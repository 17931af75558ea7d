import type { BrokerConnection } from "../broker-connection.ts";
import { wireReader } from "./wire-reader.ts";
import { wireWriter } from "./wire-writer.ts";

/*
 * The classic group protocol, in the newest versions without tags (Kafka 2.3 and later).
 *
 * FindCoordinator Request (Version: 1 to 2) => key key_type
 * FindCoordinator Response (Version: 1 to 2) => throttle_time_ms error_code error_message node_id host port
 * JoinGroup Request (Version: 5) => group_id session_timeout_ms rebalance_timeout_ms member_id
 *   group_instance_id protocol_type [name metadata]
 * JoinGroup Response (Version: 5) => throttle_time_ms error_code generation_id protocol_name leader
 *   member_id [member_id group_instance_id metadata]
 * SyncGroup Request (Version: 3) => group_id generation_id member_id group_instance_id
 *   [member_id assignment]
 * SyncGroup Response (Version: 3) => throttle_time_ms error_code assignment
 * Heartbeat Request (Version: 3) => group_id generation_id member_id group_instance_id
 * Heartbeat Response (Version: 3) => throttle_time_ms error_code
 * LeaveGroup Request (Version: 3) => group_id [member_id group_instance_id]
 * LeaveGroup Response (Version: 3) => throttle_time_ms error_code [members]
 */
const keys = { findCoordinator: 10, join: 11, heartbeat: 12, leave: 13, sync: 14 } as const;

export type Coordinator = { readonly errorCode: number; readonly nodeId: number };

export async function findCoordinator(
  connection: BrokerConnection,
  key: string,
  kind: "group" | "transaction" = "group",
): Promise<Coordinator> {
  return connection.send({
    apiKey: keys.findCoordinator,
    apiVersion: connection.version(keys.findCoordinator, 1, 2),
    apiName: "FindCoordinator",
    body: wireWriter()
      .string(key)
      .int8(kind === "group" ? 0 : 1)
      .done(),
    decode(data) {
      const reader = wireReader(data);
      reader.int32();
      const errorCode = reader.int16();
      reader.string();
      return { errorCode, nodeId: reader.int32() };
    },
  });
}

export type JoinRequest = {
  readonly group: string;
  readonly memberId: string;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly protocol: string;
  readonly metadata: Buffer;
};

export type Joined = {
  readonly errorCode: number;
  readonly generation: number;
  readonly leader: string;
  readonly memberId: string;
  /** Told to the leader alone. */
  readonly members: readonly { readonly id: string; readonly metadata: Buffer }[];
};

export async function joinGroup(
  connection: BrokerConnection,
  request: JoinRequest,
): Promise<Joined> {
  const { group, memberId, sessionTimeoutMs, rebalanceTimeoutMs, protocol, metadata } = request;
  const writer = wireWriter().string(group).int32(sessionTimeoutMs).int32(rebalanceTimeoutMs);
  writer.string(memberId).string(null).string("consumer");
  writer.int32(1).string(protocol).bytes(metadata);
  return connection.send({
    apiKey: keys.join,
    apiVersion: connection.version(keys.join, 5, 5),
    apiName: "JoinGroup",
    body: writer.done(),
    // It is answered when every member has joined, or has been waited for that long.
    timeoutMs: rebalanceTimeoutMs + 5_000,
    decode(data) {
      const reader = wireReader(data);
      reader.int32();
      const [errorCode, generation] = [reader.int16(), reader.int32()];
      reader.string();
      const [leader, memberId] = [reader.string(), reader.string()];
      const members = reader.array(() => {
        const id = reader.string();
        reader.string();
        return { id, metadata: reader.bytes() ?? Buffer.alloc(0) };
      });
      return { errorCode, generation, leader, memberId, members };
    },
  });
}

/** Who a request comes from: the group refuses one of an older generation. */
export type Member = {
  readonly group: string;
  readonly generation: number;
  readonly memberId: string;
};

const memberWriter = ({ group, generation, memberId }: Member) =>
  wireWriter().string(group).int32(generation).string(memberId).string(null);

export async function syncGroup(
  connection: BrokerConnection,
  member: Member,
  assignments: ReadonlyMap<string, Buffer>,
  timeoutMs: number,
): Promise<{ readonly errorCode: number; readonly assignment: Buffer }> {
  const writer = memberWriter(member);
  writer.array([...assignments], ([id, assignment]) => {
    writer.string(id).bytes(assignment);
  });
  return connection.send({
    apiKey: keys.sync,
    apiVersion: connection.version(keys.sync, 3, 3),
    apiName: "SyncGroup",
    body: writer.done(),
    timeoutMs,
    decode(data) {
      const reader = wireReader(data);
      reader.int32();
      return { errorCode: reader.int16(), assignment: reader.bytes() ?? Buffer.alloc(0) };
    },
  });
}

/** Resolves to an error code. */
export async function heartbeat(connection: BrokerConnection, member: Member): Promise<number> {
  return connection.send({
    apiKey: keys.heartbeat,
    apiVersion: connection.version(keys.heartbeat, 3, 3),
    apiName: "Heartbeat",
    body: memberWriter(member).done(),
    decode: codeOf,
  });
}

/** Resolves to an error code. */
export async function leaveGroup(
  connection: BrokerConnection,
  { group, memberId }: Pick<Member, "group" | "memberId">,
): Promise<number> {
  const writer = wireWriter().string(group).int32(1).string(memberId).string(null);
  return connection.send({
    apiKey: keys.leave,
    apiVersion: connection.version(keys.leave, 3, 3),
    apiName: "LeaveGroup",
    body: writer.done(),
    decode: codeOf,
  });
}

function codeOf(data: Buffer): number {
  const reader = wireReader(data);
  reader.int32();
  return reader.int16();
}
