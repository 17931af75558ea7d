import type { Random } from "../support/random.ts";

export type MutateOptions = {
  /** Pieces that mean something to whoever reads the bytes. */
  readonly dictionary?: readonly (string | Uint8Array)[];
  /** Other inputs, to take pieces from. */
  readonly others?: readonly Uint8Array[];
  /** How many changes at most; the default is 6. */
  readonly changesMax?: number;
  /** No result is longer; the default is 1 MiB. */
  readonly bytesMax?: number;
};

/** Lengths and counts at the edges of their types, where checks are off by one. */
const edges = [
  ...[0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 63, 64, 100, 127, 128, 250, 251, 252, 253, 254, 255],
  ...[256, 511, 512, 1000, 4095, 4096, 32_767, 32_768, 65_534, 65_535, 65_536, 0x7fffff, 0xffffff],
  ...[0x1000000, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff],
];

/** A changed copy: flipped bits, edge values, pieces cut out, doubled, spliced in, moved. */
export function mutate(bytes: Uint8Array, random: Random, options: MutateOptions = {}): Buffer {
  const { changesMax = 6, bytesMax = 1 << 20 } = options;
  let result: Buffer = Buffer.from(bytes);
  // Mostly a few changes: many of them are refused by the first check that they meet.
  for (let left = random.int(1, random.chance(0.6) ? 2 : changesMax); left > 0; left--) {
    result = random.pick(changes)(result, random, options);
  }
  return result.length > bytesMax ? result.subarray(0, bytesMax) : result;
}

type Change = (bytes: Buffer, random: Random, options: MutateOptions) => Buffer;

const changes: readonly Change[] = [
  flipBit,
  flipBit,
  setByte,
  setNumber,
  setNumber,
  addSmall,
  cutOut,
  double,
  putRandom,
  putWord,
  putWord,
  overwriteWord,
  truncate,
  splice,
  move,
  fill,
];

function spot(bytes: Buffer, random: Random): number {
  return random.int(0, Math.max(0, bytes.length - 1));
}

/** A piece of it: mostly short, for long ones are seldom. */
function piece(bytes: Buffer, random: Random): readonly [from: number, to: number] {
  const from = spot(bytes, random);
  const longest = random.chance(0.8) ? Math.min(16, bytes.length - from) : bytes.length - from;
  return [from, from + random.int(0, Math.max(0, longest))];
}

function insert(bytes: Buffer, at: number, more: Uint8Array): Buffer {
  return Buffer.concat([bytes.subarray(0, at), more, bytes.subarray(at)]);
}

function flipBit(bytes: Buffer, random: Random): Buffer {
  const at = spot(bytes, random);
  if (bytes.length > 0) bytes[at] = bytes[at]! ^ (1 << random.int(0, 7));
  return bytes;
}

function setByte(bytes: Buffer, random: Random): Buffer {
  if (bytes.length > 0) bytes[spot(bytes, random)] = random.pick(edges) & 0xff;
  return bytes;
}

function setNumber(bytes: Buffer, random: Random): Buffer {
  const width = random.pick([2, 2, 3, 4, 4, 6]);
  if (bytes.length < width) return bytes;
  const at = random.int(0, bytes.length - width);
  const value = random.pick(edges) % 2 ** (8 * width);
  if (random.chance(0.6)) bytes.writeUIntLE(value, at, width);
  else bytes.writeUIntBE(value, at, width);
  return bytes;
}

/** Off by a little: lengths that are nearly right. */
function addSmall(bytes: Buffer, random: Random): Buffer {
  const at = spot(bytes, random);
  if (bytes.length > 0) bytes[at] = (bytes[at]! + random.pick([-3, -2, -1, 1, 2, 3])) & 0xff;
  return bytes;
}

function cutOut(bytes: Buffer, random: Random): Buffer {
  const [from, to] = piece(bytes, random);
  return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
}

function double(bytes: Buffer, random: Random): Buffer {
  const [from, to] = piece(bytes, random);
  const times = random.chance(0.05) ? random.int(2, 200) : 1;
  const copies = Array.from({ length: times }, () => bytes.subarray(from, to));
  return insert(bytes, to, Buffer.concat(copies));
}

function putRandom(bytes: Buffer, random: Random): Buffer {
  return insert(bytes, spot(bytes, random), random.bytes(random.int(1, 12)));
}

function word(random: Random, { dictionary = [] }: MutateOptions): Uint8Array {
  if (dictionary.length === 0) return random.bytes(random.int(1, 4));
  const one = random.pick(dictionary);
  return typeof one === "string" ? Buffer.from(one) : one;
}

function putWord(bytes: Buffer, random: Random, options: MutateOptions): Buffer {
  return insert(bytes, spot(bytes, random), word(random, options));
}

function overwriteWord(bytes: Buffer, random: Random, options: MutateOptions): Buffer {
  const found = word(random, options);
  const at = spot(bytes, random);
  bytes.set(found.subarray(0, bytes.length - at), at);
  return bytes;
}

function truncate(bytes: Buffer, random: Random): Buffer {
  return random.chance(0.5) ? bytes.subarray(0, spot(bytes, random)) : bytes;
}

function splice(bytes: Buffer, random: Random, { others = [] }: MutateOptions): Buffer {
  if (others.length === 0) return bytes;
  const other = Buffer.from(random.pick(others));
  const [from, to] = piece(other, random);
  if (random.chance(0.1)) return Buffer.concat([bytes.subarray(0, from), other.subarray(from)]);
  return insert(bytes, spot(bytes, random), other.subarray(from, to));
}

function move(bytes: Buffer, random: Random): Buffer {
  const [from, to] = piece(bytes, random);
  const rest = Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
  return insert(rest, spot(rest, random), Buffer.from(bytes.subarray(from, to)));
}

function fill(bytes: Buffer, random: Random): Buffer {
  const [from, to] = piece(bytes, random);
  bytes.fill(random.pick([0, 0xff, 0x20, 0x41, 0x80]), from, to);
  return bytes;
}
