import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { command } from "../services/command.ts";
import { systemTool } from "../services/system-tools.ts";

/** The wall clock of processes that are started with `env`; it stands right at first. */
export type WallClock = {
  readonly env: Readonly<Record<string, string>>;
  /** So many milliseconds from the right time from now on. */
  set(offsetMs: number): void;
};

/** Makes one in `dir`, out of a library that is compiled there. */
export async function wallClock(dir: string): Promise<WallClock> {
  const library = join(dir, "wall-clock.so");
  const source = join(import.meta.dir, "wall-clock.c");
  const flags = ["-shared", "-fPIC", "-O1", "-nostdlib", "-Wall", "-Werror", "-fno-builtin"];
  await command([await systemTool("gcc"), ...flags, "-o", library, source], { what: "wall clock" });
  const file = join(dir, "wall-offset");
  const set = (offsetMs: number) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(offsetMs) * 1_000_000n);
    const open = openSync(file, "a+");
    closeSync(open);
    const existing = openSync(file, "r+");
    writeSync(existing, bytes, 0, 8, 0);
    closeSync(existing);
  };
  set(0);
  return { env: { LD_PRELOAD: library, DBUS_WALL_OFFSET: file }, set };
}
