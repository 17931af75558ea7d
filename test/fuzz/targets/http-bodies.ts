import fc from "fast-check";
import { type Parsed, parseJson, parseNdjson } from "#plugins/input/http/body.ts";
import { httpInput } from "#plugins/input/http/http-input.ts";
import { DEPTH_MAX } from "#plugins/input/http/json-scan.ts";
import type { Packet } from "#src/flow/packet.ts";
import { fakeInputContext } from "../../support/fake-context.ts";
import type { Random } from "../../support/random.ts";
import { waitFor } from "../../support/wait-for.ts";
import { claim, type FuzzInput, type FuzzTarget } from "../fuzz-target.ts";
import { mutate } from "../mutate.ts";
import { hasAnswer, sendRaw } from "../raw-http.ts";
import { dechunked } from "./dechunked.ts";

type Framing = "none" | "length" | "short" | "long" | "chunked" | "broken chunks";
/** `none` is parsed here, the others are sent to a server; `ndjson` is what the type says. */
type Note = { readonly ndjson: boolean; readonly framing: Framing; readonly length?: number };

const bodyBytesMax = 64 * 1024;

const seeds = [
  '{"id":1,"n":18446744073709551615,"d":1.10,"t":"é\\u00e9","l":[1,[2,{"a":null}]]}',
  '[{"a":1}, 2 ,"x",[],{},null,true,-0.5e+10]',
  '{"a":1}\n{"a":2}\r\n\n3\n"x"\n',
  "\ufeff[true]",
  '"\\ud83d\\ude00\\"\\\\"',
].map((text) => Buffer.from(text));

const dictionary = [
  ...[
    '"',
    "\\",
    "\\u",
    "\\u0000",
    "\\ud800",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "[[[[[[[[[[[[[[[[",
    "]]]]]]]]",
  ],
  ...[
    "1e999",
    "-",
    "-0",
    "0.",
    ".5",
    "1e",
    "01",
    "NaN",
    "true",
    "nul",
    "\n",
    "\r\n",
    "\t",
    " ",
    "\u2028",
  ],
  ...["\ufeff", "\u0000", '{"__proto__":{"x":1}}', '"__proto__":', '"a":1', "//", "/**/", "'"],
  ...[[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xf0, 0x9f]].map((bytes) => Uint8Array.from(bytes)),
];

export const httpBodies: FuzzTarget = {
  name: "http-bodies",
  summary: "bodies for HttpInput; what it takes is what JSON.parse says",
  growthMiBMax: 500,
  async open(corpus) {
    const samples = [...seeds, ...corpus.map(({ bytes }) => bytes)];
    const server = await startInput();
    return {
      generate: (random) => generate(random, samples),
      async run({ note, bytes }) {
        const { ndjson, framing, length } = note as Note;
        if (framing === "none") return checkParsed(bytes, ndjson);
        return checkServer(server, requestOf(note as Note, bytes), {
          ndjson,
          framing,
          length,
          bytes,
        });
      },
      close: server.stop,
    };
  },
};

function generate(random: Random, samples: readonly Buffer[]): FuzzInput {
  const bytes = body(random, samples);
  const ndjson = random.chance(0.4);
  if (random.chance(0.75)) return { note: { ndjson, framing: "none" }, bytes };
  const framing = random.pick<Framing>([
    "length",
    "length",
    "short",
    "long",
    "chunked",
    "broken chunks",
  ]);
  if (framing === "chunked" || framing === "broken chunks") {
    const framed = chunked(bytes, random);
    const sent =
      framing === "chunked" ? framed : mutate(framed, random, { dictionary: chunkWords });
    return { note: { ndjson, framing }, bytes: sent };
  }
  const off = framing === "length" ? 0 : random.int(1, 20);
  const length = framing === "short" ? Math.max(0, bytes.length - off) : bytes.length + off;
  return { note: { ndjson, framing, length }, bytes };
}

function body(random: Random, samples: readonly Buffer[]): Buffer {
  const seed = random.int(0, 2 ** 31 - 1);
  if (random.chance(0.3)) {
    const [made] = fc.sample(fc.array(fc.json({ maxDepth: 4 }), { maxLength: 5 }), {
      seed,
      numRuns: 1,
    });
    const text = random.chance(0.5) ? (made ?? []).join("\n") : `[${(made ?? []).join(" ,\n")}]`;
    if (random.chance(0.4)) return Buffer.from(text);
    return mutate(Buffer.from(text), random, { dictionary, others: samples });
  }
  if (random.chance(0.03)) {
    const depth = random.pick([DEPTH_MAX - 1, DEPTH_MAX, DEPTH_MAX + 1, 1000, 30_000]);
    return Buffer.from("[".repeat(depth) + "]".repeat(random.chance(0.7) ? depth : depth - 1));
  }
  if (random.chance(0.01)) return Buffer.alloc(bodyBytesMax + random.int(-1, 1), 0x20);
  return mutate(random.pick(samples), random, { dictionary, others: samples });
}

const chunkWords = [
  "0\r\n\r\n",
  "ffffffff\r\n",
  "fffffffffffffffff\r\n",
  "-1\r\n",
  ";a=b",
  "\n",
  "\r\n",
  "0",
  "g",
  "0x5\r\n",
];

function chunked(bytes: Buffer, random: Random): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = Math.min(bytes.length - at, random.pick([1, 2, 7, 100, 10_000]));
    parts.push(
      Buffer.from(`${size.toString(16)}\r\n`),
      bytes.subarray(at, at + size),
      Buffer.from("\r\n"),
    );
    at += size;
  }
  return Buffer.concat([...parts, Buffer.from("0\r\n\r\n")]);
}

function requestOf({ ndjson, framing, length }: Note, bytes: Buffer): Buffer {
  const type = ndjson ? "application/x-ndjson" : "application/json";
  const size = framing.includes("chunk")
    ? "Transfer-Encoding: chunked"
    : `Content-Length: ${length}`;
  const head = `POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: ${type}\r\n${size}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), bytes]);
}

/** The same with `JSON.parse`, which loses digits but knows what JSON is. */
function checkParsed(bytes: Buffer, ndjson: boolean): string {
  const parsed = ndjson ? parseNdjson(bytes) : parseJson(bytes);
  const expected = valuesOf(bytes, ndjson);
  if (!("documents" in parsed)) {
    checkPlace(parsed, bytes);
    claim(expected === undefined, `it is refused (${parsed.detail}), JSON.parse takes it`);
    return "refused";
  }
  claim(expected !== undefined, "it is taken, JSON.parse refuses it");
  checkDocuments(parsed.documents, expected);
  return "taken";
}

function checkDocuments(documents: readonly string[], expected: readonly unknown[]): void {
  claim(documents.length === expected.length, `${documents.length} for ${expected.length}`);
  for (const [n, document] of documents.entries()) {
    const value = JSON.stringify(JSON.parse(document));
    claim(value === JSON.stringify(expected[n]), `document ${n} is another one`);
  }
}

function checkPlace(parsed: Exclude<Parsed, { documents: unknown }>, bytes: Buffer): void {
  const lines = bytes.toString().split("\n").length;
  const { line, column, detail } = parsed;
  claim(line >= 1 && line <= lines && column >= 1, `${detail}: ${line}:${column} of ${lines}`);
}

/** undefined when it is refused: by the rules of JSON, of UTF-8, or as too deep. */
function valuesOf(bytes: Buffer, ndjson: boolean): readonly unknown[] | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    if (!ndjson) {
      const value: unknown = JSON.parse(text);
      if (depthOf(text) > DEPTH_MAX) return undefined;
      return Array.isArray(value) ? value : [value];
    }
    const lines = text.split("\n").filter((line) => line.trim() !== "");
    if (lines.some((line) => depthOf(line) > DEPTH_MAX)) return undefined;
    return lines.map((line) => JSON.parse(line) as unknown);
  } catch {
    return undefined;
  }
}

function depthOf(json: string): number {
  let depth = 0;
  let deepest = 0;
  for (const [found] of json.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{}]/g)) {
    if (found === "[" || found === "{") deepest = Math.max(deepest, ++depth);
    else if (found === "]" || found === "}") depth--;
  }
  return deepest;
}

async function startInput() {
  const bus = fakeInputContext();
  const config = httpInput.configSchema.parse({ port: 0, bodyBytesMax, drainMs: 100 });
  const state = await httpInput.open(bus.context, config);
  const running = httpInput.run(state, bus.context);
  const port = await waitFor(() => Number(/:(\d+)$/.exec(bus.states.at(-1) ?? "")?.[1]), {
    what: "the port",
  });
  return {
    port,
    packets: bus.packets,
    async stop() {
      bus.abort();
      await running;
    },
  };
}

type Sent = {
  readonly ndjson: boolean;
  readonly framing: Framing;
  readonly length: number | undefined;
  readonly bytes: Buffer;
};

async function checkServer(
  server: { readonly port: number; readonly packets: Packet[] },
  request: Buffer,
  { ndjson, framing, length, bytes }: Sent,
): Promise<string> {
  server.packets.splice(0);
  const { statuses, text } = await sendRaw(server.port, request, hasAnswer);
  const documents = server.packets.map(({ payload }) =>
    payload.kind === "document" ? payload.json : payload.kind,
  );
  // What comes behind a body is another request, to which Bun says 505 when it is none.
  claim(
    statuses.every((one) => one < 500 || one === 505),
    `it answers ${text.slice(0, 400)}`,
  );
  claim(statuses[0] !== 505, "the request itself is HTTP/1.1");
  const whole = framing.includes("chunk") ? dechunked(bytes) : bytes.subarray(0, length);
  const missing = framing === "long" || whole === undefined;
  if (statuses[0] === 202) {
    claim(!missing, "a body that did not come whole is taken");
    const expected = valuesOf(whole ?? Buffer.alloc(0), ndjson);
    claim(expected !== undefined, "it answers 202 to what JSON.parse refuses");
    checkDocuments(documents, expected);
  } else {
    claim(documents.length === 0, `it answers ${statuses[0]} and took ${documents.length}`);
    const size = whole?.length ?? 0;
    // A server may be stricter with broken chunks than the reference is.
    const fits = framing !== "broken chunks" && !missing && size <= bodyBytesMax;
    const good = fits && valuesOf(whole, ndjson) !== undefined;
    claim(!good || statuses.length === 0, `it answers ${statuses[0]} to good JSON: ${text}`);
  }
  return `${framing}: ${statuses[0] ?? "no answer"}`;
}
