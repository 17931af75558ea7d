import { isUtf8 } from "node:buffer";
import fc from "fast-check";
import { createLineReader } from "#plugins/input/stream/line-reader.ts";
import { createLineSplitter, type RawLine } from "#plugins/input/stream/line-splitter.ts";
import { streamInputConfig } from "#plugins/input/stream/stream-input-config.ts";
import type { Payload } from "#src/flow/packet.ts";
import { fakeInputContext } from "../../support/fake-context.ts";
import type { Random } from "../../support/random.ts";
import { claim, type FuzzInput, type FuzzTarget } from "../fuzz-target.ts";
import { mutate } from "../mutate.ts";

const seeds = [
  '{"id":1,"n":18446744073709551615,"t":"é"}\n{"id":2}\r\n\n[1,2,3]\n"x"\nnull\n',
  '\ufeff{"a":1}\n{"a":2}',
  "plain\r\ntext\rwith\nends\n\n\n",
  `${"x".repeat(3000)}\n${'{"k":"'.padEnd(5000, "y")}"}\n`,
  '{"a":"\u0000"}\n\u0000\n',
].map((text) => Buffer.from(text));

const dictionary = [
  ...[
    "\n",
    "\n",
    "\r\n",
    "\r",
    "\u0000",
    "\ufeff",
    "\u2028",
    '{"a":1}',
    "[",
    "]",
    "{",
    "}",
    '"',
    "\\",
  ],
  ...["\\ud800", "1e999", "\n\n\n", " ", "\t", "\v"],
  ...[[0xff], [0xc3], [0xe2, 0x82], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xc0, 0x80]].map(
    (bytes) => Uint8Array.from(bytes),
  ),
];

export const lines: FuzzTarget = {
  name: "ndjson",
  summary: "lines of StreamInput, cut anywhere; they add up to what was put in",
  growthMiBMax: 400,
  async open(corpus) {
    const samples = [...seeds, ...corpus.map(({ bytes }) => bytes)];
    return { generate: (random) => generate(random, samples), run: check };
  },
};

function generate(random: Random, samples: readonly Buffer[]): FuzzInput {
  const [value] = fc.sample(fc.array(fc.json()), { seed: random.int(0, 2 ** 31 - 1), numRuns: 1 });
  const made = Buffer.from((value ?? []).join(random.pick(["\n", "\r\n", "\n\n"])));
  const bytes = mutate(random.chance(0.3) ? made : random.pick(samples), random, {
    dictionary,
    others: samples,
  });
  const note = {
    lines: random.pick(["text", "ndjson"]),
    lineBytesMax: random.pick([1024, 1024, 1500, 4096, 1 << 20]),
    cuts: Array.from({ length: random.int(1, 5) }, () => random.pick([1, 2, 3, 7, 64, 999, 1e6])),
  };
  if (!random.chance(0.02)) return { note, bytes };
  // A huge line: of megabytes, and still in linear time.
  const huge = Buffer.alloc(random.pick([1 << 20, 3 << 20]), random.pick([0x61, 0x20, 0x0d, 0xc3]));
  return {
    note: { ...note, cuts: [random.int(500, 70_000)] },
    bytes: Buffer.concat([bytes, huge, bytes]),
  };
}

async function check({ note, bytes }: FuzzInput): Promise<string> {
  const { cuts, ...given } = note as { cuts: number[]; lines: string; lineBytesMax: number };
  const config = streamInputConfig.parse({ stdin: true, ...given });
  const bus = fakeInputContext();
  const reader = createLineReader(config, bus.context);
  const splitter = createLineSplitter(config.lineBytesMax);
  let size = 0;
  const positionOf = (line: RawLine) => {
    size += line.size;
    claim(line.bytes.length <= config.lineBytesMax + 1, "a piece is as short as the limit says");
    return size;
  };
  // The memory of a chunk is used again, as a socket's may be.
  const memory = Buffer.alloc(bytes.length);
  for (let at = 0, n = 0; at < bytes.length; n++) {
    const length = Math.min(cuts[n % cuts.length]!, bytes.length - at);
    bytes.copy(memory, 0, at, at + length);
    await reader.take(splitter.push(memory.subarray(0, length)), positionOf);
    memory.fill(0xee, 0, length);
    at += length;
  }
  const last = splitter.end();
  if (last) await reader.last(last, false, positionOf);
  claim(size === bytes.length, `the sizes of the lines add up to ${size} of ${bytes.length}`);
  const found = bus.packets.map(({ payload }) => spell(payload));
  const expected = expectedOf(bytes, given.lines === "ndjson", config.lineBytesMax);
  claim(found.length === expected.length, `${found.length} packets for ${expected.length}`);
  for (const [n, one] of expected.entries()) claim(found[n] === one, `packet ${n} is another one`);
  return given.lines;
}

function spell(payload: Payload): string {
  if (payload.kind === "text") return `text ${payload.text}`;
  if (payload.kind === "document") return `document ${payload.json}`;
  if (payload.kind !== "bytes") return payload.kind;
  const { "dbus-error": code, "dbus-part": part = "" } = Object.fromEntries(payload.headers);
  return `${code} ${part} ${Buffer.from(payload.value ?? []).toString("latin1")}`;
}

/** The same by the plain rules, with everything in memory and no care for speed. */
function expectedOf(bytes: Buffer, ndjson: boolean, bytesMax: number): string[] {
  const expected: string[] = [];
  for (let from = 0; from < bytes.length; ) {
    const lf = bytes.indexOf(10, from);
    const end = lf === -1 ? bytes.length : lf;
    const cr = lf !== -1 && end > from && bytes[end - 1] === 13 ? 1 : 0;
    expected.push(...ofLine(bytes.subarray(from, end - cr), ndjson, bytesMax, lf !== -1));
    from = end + 1;
  }
  return expected;
}

function ofLine(line: Buffer, ndjson: boolean, bytesMax: number, ended: boolean): string[] {
  const max = ended ? bytesMax : bytesMax + 1;
  if (line.length > max) {
    const parts: string[] = [];
    let part = 1;
    for (let at = 0; at < line.length; part++) {
      const rest = line.length - at;
      const last = rest <= max;
      const cut = last ? rest : bytesMax;
      const text = line.toString("latin1", at, at + cut);
      parts.push(`STREAM_LINE_TOO_LONG ${part}${last ? " last" : ""} ${text}`);
      at += cut;
    }
    return parts;
  }
  if (!isUtf8(line)) return [`STREAM_TEXT_INVALID  ${line.toString("latin1")}`];
  const text = line.toString();
  if (!ndjson) return [`text ${text}`];
  if (text.trim() === "") return [];
  try {
    JSON.parse(text);
    return [`document ${text}`];
  } catch {
    return [`STREAM_JSON_INVALID  ${line.toString("latin1")}`];
  }
}
