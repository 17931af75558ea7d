import { createServer, type Socket } from "node:net";

/*
 * A MySQL server that says what a script holds, one turn for each message of the client, and hangs
 * up after the last one. The packets are those of "Client/Server Protocol" in the MySQL source docs.
 */

export type Script = readonly Buffer[];

/** Payloads with their headers, the sequence going on from `sequence`. */
export function packets(sequence: number, ...payloads: readonly Uint8Array[]): Buffer {
  const parts: Uint8Array[] = [];
  for (const [n, payload] of payloads.entries()) {
    const header = Buffer.alloc(4);
    header.writeUIntLE(payload.length & 0xffffff, 0, 3);
    header[3] = sequence + n;
    parts.push(header, payload);
  }
  return Buffer.concat(parts);
}

export function bytes(...parts: readonly (string | readonly number[] | Uint8Array)[]): Buffer {
  return Buffer.concat(
    parts.map((part) => (typeof part === "string" ? Buffer.from(part) : Buffer.from(part))),
  );
}

/** Protocol 10, a scramble, no TLS. */
export function greeting(plugin: string): Buffer {
  const capabilities = [[0xff, 0xf7], [45], [2, 0], [0xff, 0x80]];
  const head = bytes([10], "9.9.9\0", [1, 0, 0, 0], "abcdefgh\0", ...capabilities, [21]);
  return packets(0, bytes(head, Buffer.alloc(10), "ijklmnopqrst\0", `${plugin}\0`));
}

export const okPayload = bytes([0, 0, 0, 2, 0, 0, 0]);
export const eofPayload = bytes([0xfe, 0, 0, 2, 0]);

function lengthEncoded(text: string): Buffer {
  return bytes([text.length], text);
}

/** A column of the answer to a query: VARCHAR in utf8mb4 unless told. */
function columnPayload(name: string, type: number): Buffer {
  const names = ["def", "", "", "", name, ""].map(lengthEncoded);
  return bytes(...names, [0x0c, 45, 0, 0, 1, 0, 0, type, 0, 0, 0, 0, 0]);
}

/** The answer to a query in the text protocol. */
export function textAnswer(names: readonly string[], rows: readonly (readonly string[])[]): Buffer {
  return packets(
    1,
    bytes([names.length]),
    ...names.map((name) => columnPayload(name, 253)),
    eofPayload,
    ...rows.map((row) => bytes(...row.map(lengthEncoded))),
    eofPayload,
  );
}

/** The answers to a prepared statement with one parameter and a row of several types. */
export function preparedAnswers(): readonly [prepare: Buffer, execute: Buffer] {
  const columns = [253, 3, 8, 12, 246, 252, 5].map((type, n) => columnPayload(`c${n}`, type));
  const parameter = columnPayload("?", 253);
  const head = bytes([0, 1, 0, 0, 0, columns.length, 0, 1, 0, 0, 0, 0]);
  const prepare = packets(1, head, parameter, eofPayload, ...columns, eofPayload);
  const row = bytes(
    [0, 0, 0],
    [3],
    "abc",
    [1, 0, 0, 0],
    [255, 255, 255, 255, 255, 255, 255, 127],
    [7, 0xe8, 7, 2, 28, 10, 11, 12],
    [4],
    "1.50",
    [2],
    "hi",
    [0, 0, 0, 0, 0, 0, 0xf0, 0x3f],
  );
  return [prepare, packets(1, bytes([columns.length]), ...columns, eofPayload, row, eofPayload)];
}

/** The answer to preparing a statement that has one parameter and gives no rows. */
export const preparedSet = packets(
  1,
  bytes([0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]),
  columnPayload("?", 253),
  eofPayload,
);

export type ScriptedServer = {
  readonly port: number;
  /** Plays this script to the next client. */
  play(script: Script): void;
  /** All that the clients have said since `play`. */
  heard(): Buffer;
  close(): void;
};

export async function startScripted(): Promise<ScriptedServer> {
  let script: Script = [];
  let heard: Buffer[] = [];
  const server = createServer((socket: Socket) => {
    const mine = script;
    let turn = 0;
    const next = () => {
      const said = mine[turn++];
      if (said !== undefined) socket.write(said);
      // One that waits for more is told that there is none.
      if (turn >= mine.length) socket.end();
    };
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      heard.push(chunk);
      next();
    });
    next();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  return {
    port,
    play(next) {
      script = next;
      heard = [];
    },
    heard: () => Buffer.concat(heard),
    close: () => server.close(),
  };
}
