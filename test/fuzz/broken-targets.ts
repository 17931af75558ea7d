import { DbusError } from "#src/errors.ts";
import { claim, codeOf, type FuzzInput, type FuzzTarget } from "./fuzz-target.ts";

/** A target that does something wrong once in a while: what the rig must see is tried on these. */
function broken(name: string, run: (input: FuzzInput) => string | Promise<string>): FuzzTarget {
  return {
    name,
    summary: name,
    growthMiBMax: 64,
    open: async () => ({
      generate: (random) => ({ note: {}, bytes: Buffer.from(random.bytes(4)) }),
      run: (input) => ((input.bytes[0] ?? 0) % 8 === 0 ? run(input) : "fine"),
    }),
  };
}

const kept: Uint8Array[] = [];

export const targets: readonly FuzzTarget[] = [
  broken("throws", () => {
    throw new TypeError("undefined is not an object");
  }),
  broken("bug", () => codeOf(new DbusError("INVARIANT", "it does not hold"))),
  broken("code", () => {
    try {
      throw new DbusError("BINLOG_CORRUPT", "as it should be");
    } catch (error) {
      return codeOf(error);
    }
  }),
  broken("wrong", () => {
    claim(false, "a row is another one");
    return "never";
  }),
  broken("later", () => {
    setTimeout(() => {
      throw new Error("thrown by a timer");
    });
    return "fine";
  }),
  broken("hangs", () => {
    for (;;);
  }),
  broken("dies", () => {
    process.kill(process.pid, "SIGKILL");
    return "never";
  }),
  broken("allocates", () => {
    Buffer.allocUnsafeSlow(2 ** 30);
    return "fine";
  }),
  broken("leaks", () => {
    if (kept.length < 200) kept.push(new Uint8Array(2 ** 20).fill(1));
    return "fine";
  }),
];
