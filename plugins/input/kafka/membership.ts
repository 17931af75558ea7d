import { DbusError, type InputContext, sleep, toDbusError } from "#plugin";
import type { GroupEvents, GroupMember, TopicPartition } from "#src/clients/kafka/port.ts";
import type { Topics } from "./discover.ts";
import { joins } from "./kafka-input-config.ts";
import type { Place } from "./place.ts";
import type { Places } from "./places.ts";
import type { Reader } from "./reader.ts";
import { createTelling } from "./telling.ts";

/** Which partitions are ours: all, the fixed ones, or what the group gives. */
export type Membership = {
  /** These topics are there now. */
  found(topics: Topics): Promise<void>;
  /** Tells the group what is settled of these. Never throws for what passes by itself. */
  commit(places: readonly Place[]): Promise<void>;
  /** Leaves the group. */
  leave(): Promise<void>;
};

type Deps = {
  readonly reader: Reader;
  readonly places: Places;
  readonly context: InputContext;
  readonly signal: AbortSignal;
  /** Ends the run with what needs a person. */
  readonly fail: (error: unknown) => void;
};

const retryMs = { min: 200, max: 5_000 };

/** Tries what may fail for a moment until it goes right; ends quietly when the run ends. */
export async function persist(
  work: () => Promise<void>,
  { context, signal }: Pick<Deps, "context" | "signal">,
): Promise<void> {
  for (let failures = 0; !signal.aborted; failures++) {
    try {
      return await work();
    } catch (thrown) {
      const error = toDbusError(thrown);
      if (signal.aborted) return;
      if (error.kind !== "retry") throw error;
      const afterMs = Math.min(retryMs.max, retryMs.min * 2 ** failures);
      context.log.warn(`trying again: ${error.message}`, { code: error.code, afterMs });
      await sleep(context.clock, afterMs, signal);
    }
  }
}

export function createMembership(deps: Deps): Membership {
  return joins(deps.reader.config) ? member(deps) : alone(deps);
}

/** Reads every partition, or the fixed ones; a group is only told. */
function alone({ reader, places, context, signal, fail }: Deps): Membership {
  const { consumer, config } = reader;
  const telling = createTelling(context);

  function partitionsOf(topics: Topics) {
    return [...topics].flatMap(([topic, { partitions, id }]) => {
      const fixed = config.partitions?.[topic];
      const numbers = fixed ?? [...Array(partitions).keys()];
      const beyond = numbers.filter((partition) => partition >= partitions);
      if (beyond.length > 0) {
        const text = `topic ${topic} has ${partitions} partitions, not ${beyond.join(", ")}`;
        throw new DbusError("KAFKA_TOPIC_INVALID", text, { remedy: "mend partitions" });
      }
      return numbers.map((partition) => ({ topic, partition, partitions, topicId: id }));
    });
  }

  return {
    async found(topics) {
      const fresh = partitionsOf(topics).filter((one) => !places.has(one));
      if (fresh.length === 0) return;
      const claimed = places.claim(fresh);
      // A partition without a leader must not keep the others waiting.
      persist(() => places.begin(claimed), { context, signal }).catch(fail);
    },
    async commit(of) {
      const { groupId } = config;
      const offsets = groupId === undefined ? [] : places.uncommitted(of);
      if (groupId === undefined || offsets.length === 0) return;
      try {
        await consumer.commit(groupId, offsets);
        note(of, offsets);
        telling.done();
      } catch (thrown) {
        const error = toDbusError(thrown);
        const remedy =
          "a group that has members takes no commits of others: give this input its own";
        const hasMembers = error.code === "KAFKA_REBALANCED";
        telling.failed(hasMembers ? new DbusError(error.code, error.message, { remedy }) : error);
      }
    },
    leave: async () => {},
  };
}

function note(
  places: readonly Place[],
  offsets: readonly (TopicPartition & { readonly offset: number })[],
): void {
  for (const { topic, partition, offset } of offsets) {
    const place = places.find((one) => one.topic === topic && one.partition === partition);
    if (place) place.committed = Math.max(place.committed, offset);
  }
}

function member({ reader, places, context, signal, fail }: Deps): Membership {
  const { consumer, config } = reader;
  const { groupId = "", sessionTimeoutMs, rebalanceTimeoutMs, heartbeatMs, drainMs } = config;
  const over = new AbortController();
  const telling = createTelling(context);
  const one: GroupMember = consumer.member({
    ...{ group: groupId, sessionTimeoutMs, rebalanceTimeoutMs, heartbeatMs },
  });
  let ended: Promise<void> | undefined;
  let ids: Topics = new Map();

  const placesOf = (partitions: readonly TopicPartition[]) =>
    partitions.flatMap((partition) => places.get(partition) ?? []);

  async function commit(of: readonly Place[]): Promise<void> {
    const offsets = places.uncommitted(of);
    if (offsets.length === 0) return;
    try {
      await one.commit(offsets);
      note(of, offsets);
      telling.done();
    } catch (thrown) {
      const error = toDbusError(thrown);
      if (error.kind !== "retry") return fail(error);
      // Checkpoints are the truth; the group hears of it the next time.
      telling.failed(error);
    }
  }

  const events: GroupEvents = {
    assigned(partitions) {
      const mine = partitions.map((partition) => ({
        ...partition,
        topicId: ids.get(partition.topic)?.id ?? "",
        partitions: ids.get(partition.topic)?.partitions ?? partition.partition + 1,
      }));
      const claimed = places.claim(mine);
      persist(() => places.begin(claimed), { context, signal }).catch(fail);
    },
    async revoked(partitions) {
      const leaving = placesOf(partitions);
      const drained = await places.drain(leaving, drainMs);
      if (!drained) context.log.warn("given up with packets in flight; they are read again", {});
      await commit(leaving);
      places.drop(partitions);
    },
    lost(partitions) {
      places.drop(partitions);
      context.log.warn("the group has gone on without us: what was ours may be another's now", {
        partitions: partitions.length,
      });
    },
  };

  return {
    async found(topics) {
      ids = topics;
      one.subscribe(new Map([...topics].map(([name, { partitions }]) => [name, partitions])));
      if (ended || topics.size === 0) return;
      ended = one.run(events, over.signal);
      ended.catch(fail);
    },
    commit,
    async leave() {
      over.abort();
      await ended?.catch(() => {});
    },
  };
}
