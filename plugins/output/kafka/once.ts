import type { OutputContext } from "#plugin";
import { createKafkaTransactor } from "#src/clients/kafka/drivers.ts";
import type { KafkaProducer } from "#src/clients/kafka/port.ts";
import type { ExactlyOnce, KafkaOutputConfig } from "./kafka-config.ts";
import { createPositions } from "./positions.ts";
import { producerOptions } from "./producer-options.ts";
import { createSession, type Session } from "./session.ts";
import type { Writer } from "./write.ts";
import type { OnceWriter } from "./write-once.ts";

/** The sessions of an output: one for each resource of an input, begun when it is met. */
export type Once = OnceWriter & { close(): Promise<void> };

/** A resource that comes back under another assignment begins anew. */
type Held = { readonly session: Session; readonly fence: number | undefined };

type Parts = {
  readonly config: KafkaOutputConfig;
  readonly settings: ExactlyOnce;
  readonly context: OutputContext;
  readonly producer: KafkaProducer;
  readonly writer: Writer;
};

export function createOnce({ config, settings, context, producer, writer }: Parts): Once {
  const { clock, log } = context;
  const { transactionalIdPrefix, positionsTopic, timeoutMs } = settings;
  const { createTopics } = config;
  const options = producerOptions(config, context);
  const positions = createPositions({
    driver: config.driver,
    connection: options,
    topic: positionsTopic,
    timeoutMs,
    mayCreate: createTopics !== false,
    replicationFactor: (createTopics !== false && createTopics.replicationFactor) || -1,
    ...{ producer, clock, log },
  });
  const sessions = new Map<string, Held>();
  const process = crypto.randomUUID();
  return {
    writer,
    log,
    session({ input, resource, fence }, sentAgain = false) {
      // No name has a colon, so that two of them never make one id.
      const parts = [transactionalIdPrefix, input, resource, context.name];
      // Each process sends its own dead letters again, and none of them follows another.
      const id = (sentAgain ? [...parts, process] : parts).join(":");
      const known = sessions.get(id);
      if (known && known.fence === fence) return known.session;
      void known?.session.close();
      const own = { ...options, transactionalId: id, timeoutMs };
      const transactor = createKafkaTransactor(config.driver, own);
      const session = createSession({ id, fence, transactor, positions, log });
      sessions.set(id, { session, fence });
      return session;
    },
    async close() {
      await Promise.all([...sessions.values()].map(({ session }) => session.close()));
    },
  };
}
