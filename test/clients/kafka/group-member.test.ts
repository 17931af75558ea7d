import { afterEach, describe, expect, test } from "bun:test";
import type { BrokerConnection } from "#src/clients/kafka/broker-connection.ts";
import type { Cluster } from "#src/clients/kafka/cluster.ts";
import { createGroupMember } from "#src/clients/kafka/consumer/group-member.ts";
import type { TopicPartition } from "#src/clients/kafka/port.ts";
import { encodeAssignment } from "#src/clients/kafka/wire/subscription.ts";
import { wireReader } from "#src/clients/kafka/wire/wire-reader.ts";
import { wireWriter } from "#src/clients/kafka/wire/wire-writer.ts";
import { DbusError } from "#src/errors.ts";
import { consumerOptions } from "../../contract/kafka-consumer.ts";
import { holdsFor, waitFor } from "../../support/index.ts";

const keys = { findCoordinator: 10, join: 11, heartbeat: 12, leave: 13, sync: 14 };
const t = (...partitions: number[]) => partitions.map((partition) => ({ topic: "t", partition }));

/** The coordinator of a group with one member beside a leader that is somebody else. */
function coordinator() {
  const joins: string[] = [];
  const left: string[] = [];
  let generation = 0;
  let assigned: readonly TopicPartition[] = t(0, 1);
  let beat: () => number | Promise<number> = () => 0;
  const answers: Record<number, (body: Buffer) => Promise<Buffer> | Buffer> = {
    [keys.findCoordinator]: () =>
      wireWriter().int32(0).int16(0).string(null).int32(1).string("h").int32(1).done(),
    [keys.join](body) {
      const reader = wireReader(body);
      reader.string();
      reader.skip(8);
      const memberId = reader.string();
      joins.push(memberId);
      const named = memberId === "" ? `m${joins.length}` : memberId;
      const writer = wireWriter().int32(0).int16(0).int32(++generation).string("p");
      return writer.string("leader").string(named).int32(0).done();
    },
    [keys.sync]: () => wireWriter().int32(0).int16(0).bytes(encodeAssignment(assigned)).done(),
    [keys.heartbeat]: async () =>
      wireWriter()
        .int32(0)
        .int16(await beat())
        .done(),
    [keys.leave](body) {
      const reader = wireReader(body);
      reader.string();
      reader.skip(4);
      left.push(reader.string());
      return wireWriter().int32(0).int16(0).int32(0).done();
    },
  };
  const connection: BrokerConnection = {
    name: "fake",
    isOpen: () => true,
    version: (_key, _oldest, newest) => newest,
    send: async ({ apiKey, body, decode }) => decode((await answers[apiKey]?.(body)) as Buffer),
    sendFrame: () => Promise.reject(new Error("not here")),
    drop() {},
  };
  const cluster: Partial<Cluster> = { any: async () => connection, node: async () => connection };
  return {
    cluster: cluster as Cluster,
    joins,
    left,
    assign(next: readonly TopicPartition[]) {
      assigned = next;
    },
    onHeartbeat(next: typeof beat) {
      beat = next;
    },
  };
}

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

/** A member whose events are noted; revocations wait for `release`. */
function memberOf({ cluster }: ReturnType<typeof coordinator>, sessionTimeoutMs = 60_000) {
  const events: string[] = [];
  const over = new AbortController();
  let release = () => {};
  const timing = { sessionTimeoutMs, rebalanceTimeoutMs: 60_000, heartbeatMs: 5 };
  const member = createGroupMember(
    { cluster, aside: cluster },
    { group: "g", ...timing },
    consumerOptions("127.0.0.1:1"),
  );
  const note = (what: string) => (some: readonly TopicPartition[]) =>
    void events.push(`${what} ${some.map(({ partition }) => partition).join(",")}`);
  member.subscribe(new Map([["t", 2]]));
  const ended = member.run(
    {
      assigned: note("assigned"),
      async revoked(some) {
        note("revoked")(some);
        await new Promise<void>((resolve) => {
          release = resolve;
        });
      },
      lost: note("lost"),
    },
    over.signal,
  );
  stops.push(async () => {
    release();
    over.abort();
    await ended;
  });
  return { events, release: () => release() };
}

describe("a member of a group", () => {
  test("joins again only when what it gives up is given up, and is told if it gets it back", async () => {
    const group = coordinator();
    const { events, release } = memberOf(group);
    await waitFor(() => events.length === 1, { what: "an assignment" });
    group.assign(t(0));
    group.onHeartbeat(() => 27);
    await waitFor(() => events.includes("revoked 1"), { what: "a revocation" });
    const joined = group.joins.length;
    group.onHeartbeat(() => {
      throw new DbusError("KAFKA_REQUEST_FAILED", "the connection was closed");
    });
    await holdsFor(() => group.joins.length === joined, { ms: 400, what: "to wait" });
    group.onHeartbeat(() => 0);
    // The other one has left meanwhile.
    group.assign(t(0, 1));
    release();
    await waitFor(() => events.length === 3, { what: "the partition again" });
    expect(events).toEqual(["assigned 0,1", "revoked 1", "assigned 1"]);
  });

  test("keeps its name when the group has gone on without it", async () => {
    const group = coordinator();
    const { events } = memberOf(group);
    await waitFor(() => events.length === 1, { what: "an assignment" });
    group.onHeartbeat(() => (group.joins.length > 1 ? 0 : 22));
    await waitFor(() => events.length === 3, { what: "another generation" });
    expect(events).toEqual(["assigned 0,1", "lost 0,1", "assigned 0,1"]);
    expect(group.joins).toEqual(["", "m1"]);
  });

  test("has lost all when no heartbeat was answered for a session, by its own clock", async () => {
    const group = coordinator();
    const { events } = memberOf(group, 300);
    await waitFor(() => events.length === 1, { what: "an assignment" });
    group.onHeartbeat(() => new Promise<number>(() => {}));
    await waitFor(() => events.includes("lost 0,1"), { what: "to notice", timeoutMs: 5_000 });
  });

  test("leaves under its name when it ends, and is told nothing more", async () => {
    const group = coordinator();
    const { events } = memberOf(group);
    await waitFor(() => events.length === 1, { what: "an assignment" });
    group.onHeartbeat(() => new Promise<number>(() => {}));
    await stops.pop()?.();
    expect(group.left).toEqual(["m1"]);
    expect(events).toEqual(["assigned 0,1"]);
  });
});
