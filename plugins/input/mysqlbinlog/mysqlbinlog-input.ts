import { join } from "node:path";
import {
  type DbusError,
  defineInput,
  type InputContext,
  isLoopback,
  type Resource,
  sleep,
  toDbusError,
} from "#plugin";
import { compareMysqlPositions, mysqlPositionSchema } from "#src/clients/mysql/binlog/position.ts";
import { createSchemaCache } from "#src/clients/mysql/schema.ts";
import { openSchemaHistory } from "#src/clients/mysql/schema-history.ts";
import { tableFilter } from "#src/clients/mysql/table-patterns.ts";
import { checkInput } from "./check.ts";
import { lagWhileAway } from "./lag.ts";
import {
  flavorOf,
  type MysqlbinlogConfig,
  mysqlbinlogConfigSchema,
  patternsOf,
  targetOf,
} from "./mysqlbinlog-config.ts";
import { type Reader, readOnce } from "./reader.ts";
import { createRetries, givenUp } from "./retry.ts";
import { ownServerId } from "./server-id.ts";

/**
 * Rows that a MySQL or MariaDB server inserts, updates and deletes, read from its binlog as a
 * replica would. One packet a row, payload `row`, in the order of commits.
 */
export const mysqlbinlogInput = defineInput<MysqlbinlogConfig, Reader>({
  name: "MysqlbinlogInput",
  summary:
    "Reads the rows that a MySQL or MariaDB server inserts, updates and deletes, from its binlog.",
  configSchema: mysqlbinlogConfigSchema,
  positionSchema: mysqlPositionSchema,
  order: () => compareMysqlPositions,
  insecure: insecureParts,
  resources: (config) => [resourceOf(config)],
  // What is off the wire and decoded, twice each: one lot is worked on while the next comes.
  memory: ({ eventBytesMax }) => ({ buffers: 16 << 20, packetBytesMax: eventBytesMax }),
  check: checkInput,
  async open(context, config) {
    const { databases, tables } = patternsOf(config);
    const { stateDir, name } = context;
    const history = await openSchemaHistory(stateDir === "" ? undefined : join(stateDir, name));
    return {
      target: targetOf(config),
      flavor: flavorOf(config),
      serverId: config.serverId ?? context.readerId ?? (await ownServerId(stateDir, name)),
      start: config.start,
      gtid: config.gtid,
      namesFromBinlog: config.schema === "binlog",
      onPositionLost: config.onPositionLost,
      heartbeatMs: config.heartbeatMs,
      eventBytesMax: config.eventBytesMax,
      onEventTooLarge: config.onEventTooLarge,
      filter: tableFilter(databases, tables),
      schema: createSchemaCache({ trustCurrent: config.schema === "current", history }),
      history,
      position: context.resume() as Reader["position"],
      upTo: null,
      lost: null,
      jumped: false,
      warned: new Set(),
    };
  },
  run,
});

/** What whoever is in between could do: warned of at each start, and shown in the status. */
function insecureParts(config: MysqlbinlogConfig): readonly string[] {
  const { host, tls } = targetOf(config);
  if (isLoopback(host)) return [];
  const parts = {
    disable: "rows come over the network in the clear (tls: disable)",
    require: "any certificate is trusted, so anyone in between can read (tls: require)",
    "verify-ca": "the host name in the certificate is not looked at (tls: verify-ca)",
    "verify-full": undefined,
  };
  return [parts[tls] ?? []].flat();
}

/** The address is what the checkpoint belongs to; an account or a password never shows. */
function resourceOf(config: MysqlbinlogConfig): Resource {
  const { host, port } = targetOf(config);
  const safe = host.toLowerCase().replace(/[^a-z0-9._-]+/g, "-");
  const short = safe.length <= 50 ? safe : `${safe.slice(0, 41)}-${hash(safe)}`;
  return { id: `mysql-${short}-${port}`, label: `mysql ${host}:${port}` };
}

function hash(text: string): string {
  return Bun.hash(text).toString(16).padStart(16, "0").slice(0, 8);
}

/** Reads, and connects again after what may pass by itself; throws what needs a person. */
async function run(reader: Reader, context: InputContext): Promise<void> {
  const { clock, signal, log } = context;
  const retries = createRetries();
  let away: { stop(): void } | undefined;
  signal.addEventListener("abort", () => away?.stop(), { once: true });
  while (!signal.aborted) {
    let streamingSince: number | undefined;
    const onStreaming = () => {
      streamingSince = clock.now();
      if (away) log.info("connected again");
      away?.stop();
      away = undefined;
      context.reportState(null);
    };
    try {
      await readOnce(reader, context, onStreaming);
    } catch (thrown) {
      if (signal.aborted) return;
      if (streamingSince !== undefined) retries.ran(clock.now() - streamingSince);
      const error = toDbusError(thrown);
      if (noteLost(reader, error)) continue;
      const retry = retries.next(error, JSON.stringify(reader.position));
      if (retry === undefined) {
        away?.stop();
        throw givenUp(error);
      }
      const { afterMs } = retry;
      const { code, remedy } = error;
      log.warn(`reconnecting: ${error.message}`, { code, remedy, afterMs });
      reader.upTo ??= clock.wall() / 1000;
      away ??= lagWhileAway(clock, reader.upTo, context.reportLag);
      context.reportState(`reconnecting: ${error.message}`);
      await sleep(clock, afterMs, signal);
    }
  }
}

/** The server said while it was asked that the position is gone: the policy is for next time. */
function noteLost(reader: Reader, error: DbusError): boolean {
  if (error.code !== "POSITION_LOST" || reader.onPositionLost === "fail") return false;
  if (reader.lost !== null) return false;
  reader.lost = error.message;
  return true;
}
