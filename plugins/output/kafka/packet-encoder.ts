import { type Clock, DbusError, type Packet, recordOf, toDbusError } from "#plugin";
import { partitionOf } from "#src/clients/kafka/partitioner.ts";
import type { KafkaHeader, KafkaRecord } from "#src/clients/kafka/port.ts";
import { createFormat, type FormatRecord } from "#src/format/format.ts";
import { createEventIds } from "./event-id.ts";
import type { KafkaOutputConfig } from "./kafka-config.ts";
import { hasBeenIn, viaHeader } from "./provenance.ts";

/** One record and the partition where it goes. */
export type PlacedRecord = { readonly partition: number; readonly record: KafkaRecord };

/**
 * A packet as records of one topic, with the version of the assignment under which it was read where
 * there is one. Throws a `DbusError` that concerns the packet alone.
 */
export type PacketEncoder = {
  /** None for a packet that has been in this cluster before, where that is looked at. */
  encode(packet: Packet, partitions: number, fence?: number): readonly PlacedRecord[];
  /** How many partitions its topic must have; 0 where any number will do. */
  needs(packet: Packet): number;
  /** Goes on to the next partition with what has neither a key nor a table. */
  turn(): void;
};

export function createPacketEncoder(
  config: KafkaOutputConfig,
  clock: Clock,
  /** The id of the cluster that is written to, where provenance counts. */
  cluster?: string,
): PacketEncoder {
  const { bigint, keyColumns, keyless, sourceName, tombstones } = config;
  const wall = () => Math.floor(clock.wall());
  const common = { bigint, keyColumns, keyless, sourceName, wall };
  const format = createFormat(
    config.format,
    tombstones === undefined ? common : { ...common, tombstones },
  );
  const eventId = createEventIds();
  const contentType: KafkaHeader = ["content-type", format.contentType];
  let identHeader: KafkaHeader = ["dbus-ident", ""];
  let fenceHeader: KafkaHeader = ["dbus-fence", ""];
  let sticky = 0;
  let next = 0;

  function headersOf(packet: Packet, ofRecord: readonly KafkaHeader[], fence: number | undefined) {
    const via = cluster === undefined ? undefined : viaHeader(packet, cluster);
    const own = via === undefined ? ofRecord : [...ofRecord, via];
    if (!config.headers) return own;
    const all = dbusHeaders(packet, own);
    if (fence === undefined) return all;
    const text = String(fence);
    if (fenceHeader[1] !== text) fenceHeader = ["dbus-fence", text];
    return [fenceHeader, ...all];
  }

  function dbusHeaders(packet: Packet, own: readonly KafkaHeader[]): readonly KafkaHeader[] {
    const { ident, payload } = packet;
    if (identHeader[1] !== ident) identHeader = ["dbus-ident", ident];
    const id: KafkaHeader = ["dbus-id", eventId(packet)];
    if (payload.kind === "row" || payload.kind === "document") {
      return own.length === 0
        ? [id, identHeader, contentType]
        : [id, identHeader, contentType, ...own];
    }
    return [id, identHeader, ...own];
  }

  function partition({ key }: FormatRecord, packet: Packet, partitions: number): number {
    if (typeof config.partition === "number") return config.partition;
    if (config.partition === "roundRobin") return next++ % partitions;
    if (config.partition === "source") {
      const own = recordOf(packet.payload)?.partition;
      if (own !== undefined) return own;
    }
    if (key !== null) return partitionOf(key, partitions);
    const { payload } = packet;
    if (payload.kind !== "row") return sticky % partitions;
    // Without a key nobody can tell which rows belong together, so the table stays together.
    return partitionOf(`${payload.table.db}.${payload.table.name}`, partitions);
  }

  function timestamp({ payload }: Packet): number {
    if (payload.kind !== "row") return recordOf(payload)?.timestamp ?? wall();
    return config.timestamps === "source" ? payload.ts * 1000 : wall();
  }

  function needs({ payload }: Packet): number {
    if (typeof config.partition === "number") return config.partition + 1;
    if (config.partition !== "source") return 0;
    const { partition = -1, partitions = 0 } = recordOf(payload) ?? {};
    return Math.max(partition + 1, partitions);
  }

  return {
    encode(packet, partitions, fence) {
      try {
        if (cluster !== undefined && hasBeenIn(packet, cluster)) return [];
        const at = timestamp(packet);
        const placed: PlacedRecord[] = [];
        for (const made of format.records(packet)) {
          const { key, value } = made;
          const headers = headersOf(packet, made.headers, fence);
          const record = { key, value, headers, timestamp: at };
          placed.push({ partition: partition(made, packet, partitions), record });
        }
        return placed;
      } catch (error) {
        if (error instanceof DbusError) throw error;
        throw toDbusError(error, "FORMAT_VALUE");
      }
    },
    needs,
    turn: () => {
      sticky = (sticky + 1) & 0x7fffffff;
    },
  };
}
