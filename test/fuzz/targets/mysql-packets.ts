import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectMysql } from "#src/clients/mysql/connection.ts";
import { dumpError } from "#src/clients/mysql/dump-error.ts";
import { createPacketReader } from "#src/clients/mysql/packets.ts";
import { readServerError } from "#src/clients/mysql/reply.ts";
import { startDump } from "#src/clients/mysql/syncer.ts";
import { systemClock } from "#src/clock.ts";
import { targetAt } from "../../support/mysql-client.ts";
import type { Random } from "../../support/random.ts";
import { claim, codeOf, type FuzzInput, type FuzzTarget } from "../fuzz-target.ts";
import { mutate } from "../mutate.ts";
import { recordedBinlogs } from "./binlog-log.ts";
import {
  bytes as bytesOf,
  eofPayload,
  greeting,
  okPayload,
  packets,
  preparedAnswers,
  preparedSet,
  type Script,
  type ScriptedServer,
  startScripted,
  textAnswer,
} from "./mysql-script.ts";

/**
 * `reader`: a stream of packets, `offset` being where it differs from that of the recorded events.
 * `error`: an ERR message. Else a turn of the server, in the scene of that name.
 */
type Note =
  | { readonly scene: "reader"; readonly first: number; readonly cuts: readonly number[] }
  | { readonly scene: "error" }
  | { readonly scene: SceneName; readonly turn: number };
type SceneName = "dump" | "query" | "prepared" | "mariadb";

/** No message is longer here: small, so that lengths reach it. */
const messageBytesMax = 300_000;
const secretText = "the content of a file that no server may have";

export const mysqlPackets: FuzzTarget = {
  name: "mysql-packets",
  summary: "packets of a hostile server, through mysql2 and our own reader; no file leaves",
  growthMiBMax: 500,
  async open(corpus) {
    const dir = mkdtempSync(join(tmpdir(), "dbus-fuzz-mysql-"));
    const secretPath = join(dir, "secret");
    writeFileSync(secretPath, secretText);
    const logs = await recordedBinlogs();
    const events = logs
      .slice(0, 2)
      .flatMap((log) => [...log.head, ...log.transactions.slice(0, 6).flat()]);
    const messages = events
      .map((event) => bytesOf([0], event))
      .filter(({ length }) => length < 200_000);
    const scenes = scenesOf(messages.slice(0, 12));
    const server = await startScripted();
    const dictionary = dictionaryOf(secretPath);
    const others = [...Object.values(scenes).flat(), ...corpus.map(({ bytes }) => bytes)];
    const make = { messages, scenes, dictionary, others };
    return {
      generate: (random) => generate(random, make),
      async run(input) {
        const note = input.note as Note;
        if (note.scene === "reader") return checkReader(note, input.bytes, messages);
        if (note.scene === "error") return dumpError(readServerError(input.bytes), "h:1").code;
        const script = scenes[note.scene].with(note.turn, input.bytes).slice(0, note.turn + 1);
        return `${note.scene} ${await checkScene(server, note, script, scenes[note.scene])}`;
      },
      async close() {
        server.close();
        rmSync(dir, { recursive: true });
      },
    };
  },
};

type Make = {
  readonly messages: readonly Buffer[];
  readonly scenes: Readonly<Record<SceneName, Script>>;
  readonly dictionary: readonly (string | Uint8Array)[];
  readonly others: readonly Buffer[];
};

function scenesOf(messages: readonly Buffer[]): Record<SceneName, Script> {
  const login = [greeting("mysql_native_password"), packets(2, okPayload)];
  const ok = packets(1, okPayload);
  const checksum = textAnswer(["algorithm"], [["CRC32"]]);
  const stream = packets(1, ...messages, eofPayload);
  const facts = textAnswer(
    ["a", "b", "c"],
    [
      ["1", "x", "y"],
      ["2", "", "z"],
    ],
  );
  return {
    dump: [...login, ok, checksum, ok, stream],
    mariadb: [...login, ok, checksum, ok, preparedSet, ok, ok, ok, stream],
    query: [...login, facts],
    prepared: [...login, ...preparedAnswers()],
  };
}

function dictionaryOf(secretPath: string): readonly (string | Uint8Array)[] {
  const infile = bytesOf([0xfb], secretPath);
  return [
    ...[
      packets(1, infile),
      packets(2, infile),
      infile,
      packets(1, okPayload),
      packets(2, okPayload),
    ],
    ...[packets(1, eofPayload), packets(1, bytesOf([0xff, 0xd4, 4], "#HY000x")), greeting("x")],
    ...[
      bytesOf([0xfe], "caching_sha2_password\0", "01234567890123456789\0"),
      bytesOf([1, 4]),
      bytesOf([1, 3]),
    ],
    ...[bytesOf([0xfe], "mysql_clear_password\0"), bytesOf([0xfe], "sha256_password\0x")],
    ...[
      [0xfc, 0xff, 0xff],
      [0xfd, 0xff, 0xff, 0xff],
      [0xfe, ...Array(8).fill(0xff)],
      [0xff, 0xff, 0xff],
    ].map((some) => Uint8Array.from(some as number[])),
  ];
}

function generate(random: Random, make: Make): FuzzInput {
  const { dictionary, others, messages, scenes } = make;
  if (random.chance(0.05)) {
    const error = bytesOf(
      [0xff, 0xd4, 4],
      "#HY000Could not find first log file name in binary log index",
    );
    return { note: { scene: "error" }, bytes: mutate(error, random, { dictionary }) };
  }
  if (random.chance(0.6)) return readerInput(random, make);
  const scene = random.pick(Object.keys(scenes) as SceneName[]);
  const turn = random.int(0, scenes[scene].length - 1);
  const said = scenes[scene][turn]!;
  const options = { dictionary, others: [...others, ...messages], changesMax: 4 };
  const note = { scene, turn };
  if (random.chance(0.4)) return { note, bytes: mutate(said, random, options) };
  // The framing stays right, so that what is inside of the packets is looked at.
  const payloads = payloadsOf(said);
  const at = random.int(0, payloads.length - 1);
  const changed = mutate(payloads[at]!, random, options);
  return { note, bytes: packets(said[3]!, ...payloads.with(at, changed)) };
}

function payloadsOf(said: Buffer): Buffer[] {
  const payloads: Buffer[] = [];
  for (let at = 0; at < said.length; at += 4 + said.readUIntLE(at, 3)) {
    payloads.push(said.subarray(at + 4, at + 4 + said.readUIntLE(at, 3)));
  }
  return payloads;
}

const streamed = 12;

function readerInput(random: Random, { messages, dictionary, others }: Make): FuzzInput {
  const first = random.int(0, messages.length - 1);
  const stream = packets(1, ...messages.slice(first, first + streamed));
  const cuts = Array.from({ length: random.int(1, 4) }, () =>
    random.pick([1, 2, 3, 5, 100, 4000, 1e6]),
  );
  const bytes = random.chance(0.1) ? stream : mutate(stream, random, { dictionary, others });
  if (!random.chance(0.003)) return { note: { scene: "reader", first, cuts }, bytes };
  // A packet that claims all it can, and whatever follows.
  const large = packets(1, Buffer.alloc(0xffffff, 1));
  return {
    note: { scene: "reader", first, cuts: [100_000] },
    bytes: Buffer.concat([large, bytes]),
  };
}

/** As `syncer.ts` has it: the byte of the protocol, and the size in the header of the event. */
function sizeOf(message: Uint8Array, at: number): number | undefined {
  if (message[at] !== 0) return undefined;
  return 1 + Buffer.from(message.subarray(at + 10, at + 14)).readUInt32LE(0);
}

function firstDifference(a: Uint8Array, b: Uint8Array): number {
  const end = Math.min(a.length, b.length);
  for (let at = 0; at < end; at++) if (a[at] !== b[at]) return at;
  return end;
}

function checkReader(
  { first, cuts }: Extract<Note, { scene: "reader" }>,
  bytes: Buffer,
  messages: readonly Buffer[],
): string {
  const reader = createPacketReader({ bytesMax: messageBytesMax, sequence: 1, sizeOf });
  const out: Uint8Array[] = [];
  let code = "reader read";
  try {
    for (let at = 0, n = 0; at < bytes.length; n++) {
      const end = Math.min(bytes.length, at + cuts[n % cuts.length]!);
      reader.push(bytes.subarray(at, end), out);
      at = end;
      claim(reader.pendingBytes <= messageBytesMax, "it holds more than a message");
    }
  } catch (error) {
    code = codeOf(error);
  }
  checkSound(out, bytes, messages.slice(first, first + streamed));
  for (const message of out) {
    claim(message.length <= messageBytesMax, "a message is longer than it may be");
    const told = message.length >= 14 ? sizeOf(message, 0) : undefined;
    claim(
      told === undefined || told === message.length,
      "a message has not the size that it tells",
    );
  }
  return code;
}

/** What came before the first wrong byte is as it was sent. */
function checkSound(out: readonly Uint8Array[], sent: Buffer, messages: readonly Buffer[]): void {
  const wrong = firstDifference(sent, packets(1, ...messages));
  let at = 0;
  for (const [n, message] of messages.entries()) {
    at += 4 + message.length;
    if (at > wrong) return;
    claim(out[n] !== undefined, `message ${n} did not come`);
    claim(Buffer.compare(out[n], message) === 0, `message ${n} is another one`);
  }
}

async function checkScene(
  server: ScriptedServer,
  note: Extract<Note, { turn: number }>,
  script: Script,
  original: Script,
): Promise<string> {
  server.play(script);
  const events: Uint8Array[] = [];
  let code = "ok";
  try {
    code = await talk(server.port, note.scene, events);
  } catch (error) {
    code = codeOf(error);
  }
  claim(!server.heard().includes(secretText), "a file was sent to the server");
  claim(!server.heard().includes("the password"), "the password was sent in clear text");
  if (note.turn === original.length - 1 && (note.scene === "dump" || note.scene === "mariadb")) {
    const messages = payloadsOf(original.at(-1)!).slice(0, -1);
    checkSound(
      events.map((event) => bytesOf([0], event)),
      script.at(-1)!,
      messages,
    );
  }
  return code;
}

async function talk(port: number, scene: SceneName, events: Uint8Array[]): Promise<string> {
  const limits = { connectTimeoutMs: 3_000, queryTimeoutMs: 3_000, password: "the password" };
  const connection = await connectMysql(targetAt({ host: "127.0.0.1", port }, limits), systemClock);
  try {
    if (scene === "query") return `${(await connection.query("SELECT 1")).length} rows`;
    if (scene === "prepared") {
      return `${(await connection.query("SELECT ?", ["a"])).length} rows`;
    }
    const mariadb = scene === "mariadb";
    const dump = await startDump(
      connection,
      {
        flavor: mariadb ? "mariadb" : "mysql",
        serverId: 7,
        start: mariadb ? { by: "gtid", set: "0-1-1" } : { by: "file", file: "a.000001", pos: 4 },
        heartbeatMs: 1_000,
        eventBytesMax: messageBytesMax,
      },
      systemClock,
    );
    try {
      for (;;)
        events.push(
          ...(await dump.next()).map((event) => Buffer.from("head" in event ? event.head : event)),
        );
    } finally {
      dump.close();
    }
  } finally {
    connection.close();
  }
}
