import { untaggedValue } from "../deadletter/packet-codec.ts";
import { DbusError } from "../errors.ts";
import type { Packet, Table } from "../flow/packet.ts";
import { createByteReader } from "./byte-reader.ts";
import { createByteWriter } from "./byte-writer.ts";
import { readJsonBatch } from "./json-batch.ts";
import { createNames, type Names, readPayload, writePayload } from "./payload-codec.ts";
import type { SpillBatch } from "./spill-batch.ts";

/*
 * Packets of one partition as the body of a record:
 *
 *   version  u8  3; 2 has no `at`, and a body that begins with `{` is of the version before,
 *            `json-batch.ts`
 *   at       when they came to the buffer, in Unix milliseconds, or null: a value
 *   input, resource, partition   texts: a length and UTF-8
 *   count    how many packets, each
 *     ident     a name
 *     bytes     a count
 *     position  u8 0 and a value, or u8 1 and JSON: how many characters it has in common with the JSON of
 *               the packet before at its beginning, how many at its end, and the text between
 *     payload   `payload-codec.ts`
 *
 * Counts are LEB128. What stands in many packets is a name, table or transaction: the number of it in
 * this body, and what it is where it comes for the first time.
 */
const VERSION = 3;
const VERSION_WITHOUT_AT = 2;
const JSON_VERSION = 0x7b;
const versions: readonly number[] = [VERSION, VERSION_WITHOUT_AT, JSON_VERSION];

const PLAIN = 0;
const FRONT_CODED = 1;

const writer = createByteWriter();

export function encodeBatch({ origin, packets, at }: SpillBatch): Uint8Array {
  writer.begin();
  writer.byte(VERSION);
  writer.value(at);
  for (const text of [origin.input, origin.resource, origin.name]) writer.value(text);
  writer.count(packets.length);
  const names = createNames();
  let last = "";
  for (const { ident, bytes, position, payload } of packets) {
    names.write(writer, ident);
    // A plugin's own need not be whole.
    writer.value(bytes);
    if (typeof position === "object") last = writeJson(position, last);
    else {
      writer.byte(PLAIN);
      writer.value(position);
    }
    writePayload(writer, payload, names);
  }
  return writer.take();
}

/** Of one row of a transaction to the next a position differs in a digit or two. */
function writeJson(position: object, last: string): string {
  const text = JSON.stringify(position) ?? "null";
  const most = Math.min(text.length, last.length);
  let head = 0;
  while (head < most && text.charCodeAt(head) === last.charCodeAt(head)) head++;
  let tail = 0;
  while (
    tail < most - head &&
    text.charCodeAt(text.length - 1 - tail) === last.charCodeAt(last.length - 1 - tail)
  ) {
    tail++;
  }
  writer.byte(FRONT_CODED);
  writer.count(head);
  writer.count(tail);
  writer.value(text.slice(head, text.length - tail));
  return text;
}

/** Tables that are known by their text, so that a table is one object again for all its rows. */
const TABLES_MAX = 1_000;

/**
 * Reads bodies; what is equal in two of them becomes one table. Throws `SPILL_DAMAGED`, and
 * `SPILL_VERSION` for what a newer dbus wrote.
 */
export function createBatchDecoder(): (body: Uint8Array) => SpillBatch {
  const known = new Map<string, Table>();

  function tableOf(text: string): Table {
    let table = known.get(text);
    if (!table) {
      table = untaggedValue(JSON.parse(text)) as Table;
      if (known.size >= TABLES_MAX) known.clear();
      known.set(text, table);
    }
    return table;
  }

  return (body) => {
    const [version] = body;
    if (!versions.includes(version ?? -1)) throw unknownVersion(version);
    try {
      return version === JSON_VERSION
        ? readJsonBatch(body, tableOf)
        : readBatch(body, createNames(tableOf));
    } catch (error) {
      throw new DbusError("SPILL_DAMAGED", "a record of a buffer cannot be read", { cause: error });
    }
  };
}

function unknownVersion(version: number | undefined): DbusError {
  const what = `it holds packets in version ${version} of its format, this dbus reads up to ${VERSION}`;
  return new DbusError("SPILL_VERSION", `the buffer was written by a newer dbus: ${what}`);
}

function readBatch(body: Uint8Array, names: Names): SpillBatch {
  const reader = createByteReader(body);
  const said = reader.byte() === VERSION ? reader.value() : null;
  const at = typeof said === "number" ? said : null;
  const [input, resource, name] = [reader.value(), reader.value(), reader.value()];
  const origin = { input: `${input}`, resource: `${resource}`, name: `${name}` };
  const packets: Packet[] = [];
  let last = "";
  for (let left = reader.count(); left > 0; left--) {
    const ident = names.read(reader);
    const bytes = reader.value() as number;
    let position: Packet["position"];
    if (reader.byte() === FRONT_CODED) {
      const head = last.slice(0, reader.count());
      const tail = reader.count();
      last = head + reader.value() + last.slice(last.length - tail);
      position = JSON.parse(last);
    } else position = reader.value() as number | string;
    packets.push({ ident, payload: readPayload(reader, names), position, bytes });
  }
  if (!reader.done) throw new DbusError("SPILL_DAMAGED", "a record goes on behind its last packet");
  return { origin, packets, at };
}
