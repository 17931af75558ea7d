import { toDbusError } from "../../../errors.ts";
import type { Cluster } from "../cluster.ts";
import type { KafkaProducerOptions } from "../port.ts";
import { leaderOf } from "../wire/metadata.ts";
import { createNodeWriter, type NodeWriter } from "./node-writer.ts";
import { type ProduceJob, refuseRest } from "./produce-job.ts";
import type { ProducerIdentity } from "./producer-identity.ts";

/**
 * Tries once to write each job, at the broker that leads its partition; what failed says so. Never
 * throws.
 */
export type BatchWriter = (jobs: readonly ProduceJob[]) => Promise<void>;

export function createBatchWriter(
  cluster: Cluster,
  identity: ProducerIdentity,
  options: KafkaProducerOptions,
): BatchWriter {
  const writers = new Map<number, NodeWriter>();

  function writerOf(nodeId: number): NodeWriter {
    const writer = writers.get(nodeId) ?? createNodeWriter(nodeId, { cluster, identity, options });
    writers.set(nodeId, writer);
    return writer;
  }

  /** Sorts the jobs by the broker that leads their partition; the rest are refused. */
  async function byLeader(jobs: readonly ProduceJob[]): Promise<Map<number, ProduceJob[]>> {
    const topics = await cluster.topics([...new Set(jobs.map((job) => job.batch.topic))]);
    const sorted = new Map<number, ProduceJob[]>();
    for (const job of jobs) {
      const { topic } = job.batch;
      try {
        const leader = leaderOf(job.batch, topics.get(topic));
        const others = sorted.get(leader);
        if (others) others.push(job);
        else sorted.set(leader, [job]);
      } catch (error) {
        cluster.forget(topic);
        refuseRest(job, toDbusError(error));
      }
    }
    return sorted;
  }

  return async (jobs) => {
    try {
      await identity.ready();
      const sorted = await byLeader(jobs);
      await Promise.all([...sorted].map(([nodeId, ofNode]) => writerOf(nodeId).write(ofNode)));
    } catch (error) {
      for (const job of jobs) if (!job.done) refuseRest(job, toDbusError(error));
    }
  };
}
