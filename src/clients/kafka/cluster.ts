import { DbusError, toDbusError } from "../../errors.ts";
import type { Address, BrokerConnection, OpenConnection } from "./broker-connection.ts";
import type { KafkaConnectionOptions } from "./port.ts";
import { fetchMetadata, type Metadata, type TopicMetadata } from "./wire/metadata.ts";

/** The brokers of one Kafka cluster: one connection each, and what is known of the topics. */
export type Cluster = {
  /** A connection to whichever broker answers, the open ones first. */
  any(): Promise<BrokerConnection>;
  node(nodeId: number): Promise<BrokerConnection>;
  controller(): Promise<BrokerConnection>;
  /** What tells it from all other clusters; "" where it does not say. */
  id(): Promise<string>;
  /** From memory where it is known and young, the rest from a broker. */
  topics(names: readonly string[]): Promise<ReadonlyMap<string, TopicMetadata>>;
  /** Every topic that there is and may be seen, asked for now. */
  allTopics(): Promise<ReadonlyMap<string, TopicMetadata>>;
  /** Makes the next question about a topic go to a broker. */
  forget(topic: string): void;
  close(): void;
};

const metadataAgeMaxMs = 60_000;
const topicsMax = 20_000;

/** `host:port`, IPv6 addresses in brackets. */
export function parseBroker(broker: string): Address {
  const colon = broker.lastIndexOf(":");
  const host = broker.slice(0, colon).replace(/^\[|\]$/g, "");
  return { host, port: Number(broker.slice(colon + 1)) };
}

export function createCluster(open: OpenConnection, options: KafkaConnectionOptions): Cluster {
  const connections = new Map<string, Promise<BrokerConnection>>();
  const known = new Map<string, { readonly meta: TopicMetadata; readonly at: number }>();
  const seeds = options.brokers.map(parseBroker);
  let brokers: ReadonlyMap<number, Address> = new Map();
  let controllerId = -1;
  let clusterId: string | undefined;
  let closed = false;

  async function connectionTo(address: Address): Promise<BrokerConnection> {
    const name = `${address.host}:${address.port}`;
    for (;;) {
      if (closed) throw new DbusError("KAFKA_UNREACHABLE", "the client is closed");
      const pending = connections.get(name);
      if (!pending) break;
      const held = await pending.catch(() => undefined);
      if (held?.isOpen()) return held;
      // Whoever waited for the same one may have begun a new one meanwhile.
      if (connections.get(name) === pending) connections.delete(name);
    }
    const opening = open(address, options);
    connections.set(name, opening);
    const opened = await opening;
    if (closed) opened.drop();
    return opened;
  }

  async function any(): Promise<BrokerConnection> {
    for (const held of connections.values()) {
      const connection = await held.catch(() => undefined);
      if (connection?.isOpen()) return connection;
    }
    const errors: DbusError[] = [];
    for (const address of [...seeds, ...brokers.values()]) {
      try {
        return await connectionTo(address);
      } catch (error) {
        errors.push(toDbusError(error));
      }
    }
    // A broker that refuses us says more than one that is not there.
    const telling = errors.find((error) => error.kind === "fatal") ?? errors[0];
    throw telling ?? new DbusError("KAFKA_UNREACHABLE", "no brokers are given");
  }

  async function refresh(names: readonly string[] | null): Promise<Metadata> {
    const metadata = await fetchMetadata(await any(), names);
    brokers = metadata.brokers;
    controllerId = metadata.controllerId;
    clusterId = metadata.clusterId;
    if (known.size > topicsMax) known.clear();
    for (const [name, meta] of metadata.topics) {
      if (meta.errorCode === 0) known.set(name, { meta, at: options.clock.now() });
      else known.delete(name);
    }
    return metadata;
  }

  async function node(nodeId: number): Promise<BrokerConnection> {
    let address = brokers.get(nodeId);
    if (!address) address = (await refresh([])).brokers.get(nodeId);
    if (!address) {
      throw new DbusError("KAFKA_NOT_LEADER", `broker ${nodeId} is not in the cluster now`);
    }
    try {
      return await connectionTo(address);
    } catch (error) {
      if (!(error instanceof DbusError) || error.code !== "KAFKA_UNREACHABLE") throw error;
      const text = `${error.message} (the address that broker ${nodeId} advertises)`;
      throw new DbusError("KAFKA_UNREACHABLE", text, { cause: error });
    }
  }

  return {
    any,
    node,
    async controller() {
      // Asked for rarely, and it moves: so it is looked up every time.
      await refresh([]);
      return controllerId < 0 ? any() : node(controllerId);
    },
    id: async () => clusterId ?? (await refresh([])).clusterId,
    async topics(names) {
      const young = options.clock.now() - metadataAgeMaxMs;
      const missing = names.filter(
        (name) => (known.get(name)?.at ?? Number.NEGATIVE_INFINITY) < young,
      );
      const fetched = missing.length > 0 ? (await refresh(missing)).topics : undefined;
      return new Map(
        names.flatMap((name) => {
          const meta = fetched?.get(name) ?? known.get(name)?.meta;
          return meta ? [[name, meta]] : [];
        }),
      );
    },
    allTopics: async () => (await refresh(null)).topics,
    forget: (topic) => void known.delete(topic),
    close() {
      closed = true;
      for (const held of connections.values()) held.then((open) => open.drop()).catch(() => {});
      connections.clear();
    },
  };
}
