import { DbusError } from "#src/errors.ts";
import type { Random } from "../support/random.ts";

/** One input, as bytes and what else a case needs to know of them: JSON, small. */
export type FuzzInput = {
  readonly note: Readonly<Record<string, unknown>>;
  readonly bytes: Buffer;
};

/** What is fed, and what must be true of the answer. */
export type FuzzTarget = {
  readonly name: string;
  readonly summary: string;
  /** The resident memory may grow by so many MiB while cases run, at most. */
  readonly growthMiBMax: number;
  /** Gets the recorded inputs of this target: things to mutate. */
  open(corpus: readonly FuzzInput[]): Promise<FuzzSession>;
};

export type FuzzSession = {
  /** The input of a case. It depends on `random` alone, or else a case could not be repeated. */
  generate(random: Random): FuzzInput;
  /**
   * Feeds it and answers with a word for the summary, mostly the code of the error that it met.
   * Throws a `WrongAnswer`, or whatever the code under test throws and may not throw.
   */
  run(input: FuzzInput): Promise<string> | string;
  close?(): Promise<void>;
};

/** The code under test did not crash, but what it said is not true. */
export class WrongAnswer extends Error {}

/** Throws `WrongAnswer` when `condition` does not hold. */
export function claim(condition: unknown, what: string): asserts condition {
  if (!condition) throw new WrongAnswer(what);
}

/**
 * The code of an error that a hostile input may raise. What has no code, or says that dbus itself
 * is wrong, is thrown again: it is a failure.
 */
export function codeOf(thrown: unknown): string {
  if (thrown instanceof DbusError && thrown.kind !== "bug") return thrown.code;
  throw thrown;
}

/** A line of JSON, then the bytes as they are: what a folder of failures and the corpus hold. */
export function encodeInput({ note, bytes }: FuzzInput): Buffer {
  return Buffer.concat([Buffer.from(`${JSON.stringify(note)}\n`), bytes]);
}

export function decodeInput(file: Buffer): FuzzInput {
  const end = file.indexOf(10);
  return { note: JSON.parse(file.toString("utf8", 0, end)), bytes: file.subarray(end + 1) };
}
