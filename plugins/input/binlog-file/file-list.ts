import { readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { DbusError } from "#plugin";

/** A binlog file: `name` is what positions call it, `number` its place in the sequence. */
export type BinlogFile = {
  readonly path: string;
  readonly name: string;
  readonly base: string;
  readonly number: bigint;
};

/** A name without a number stands alone, before those that have one. */
export function binlogFile(path: string): BinlogFile {
  const name = basename(path);
  const match = /^(.*)\.(\d+)$/s.exec(name);
  return { path, name, base: match?.[1] ?? name, number: BigInt(match?.[2] ?? 0) };
}

/** By number, not by text: binlog.1000000 comes behind binlog.999999. */
export function inOrder(a: BinlogFile, b: BinlogFile): number {
  if (a.base !== b.base) return a.base < b.base ? -1 : 1;
  if (a.number === b.number) return a.name < b.name ? -1 : 1;
  return a.number < b.number ? -1 : 1;
}

/**
 * The files that paths and globs name, in the order of their numbers. Throws BINLOG_FILE when a
 * path without a glob is not there, or when two files have one name, since positions go by it.
 */
export async function listFiles(patterns: readonly string[]): Promise<BinlogFile[]> {
  const paths = new Set<string>();
  for (const pattern of patterns) {
    const found = await matches(pattern);
    if (found.length === 0 && !isGlob(pattern)) throw missing(pattern);
    for (const path of found) paths.add(path);
  }
  const files = [...paths].map(binlogFile).sort(inOrder);
  for (const [i, file] of files.entries()) {
    const other = files[i + 1];
    if (other?.name !== file.name) continue;
    throw new DbusError("BINLOG_FILE", `${file.path} and ${other.path} have the same name`);
  }
  return files;
}

function isGlob(pattern: string): boolean {
  return /[*?[\]{}]/.test(basename(pattern));
}

/** Globs stand in the last part of a path only. The index that a server keeps is no binlog. */
async function matches(pattern: string): Promise<string[]> {
  const folder = dirname(pattern);
  let names: string[];
  try {
    names = await readdir(folder);
  } catch {
    return [];
  }
  const last = basename(pattern);
  if (!isGlob(pattern)) return names.includes(last) ? [pattern] : [];
  const glob = new Bun.Glob(last);
  return names
    .filter((name) => glob.match(name) && !name.endsWith(".index"))
    .map((name) => join(folder, name));
}

function missing(path: string): DbusError {
  return new DbusError("BINLOG_FILE", `${path}: no such file`, { place: { file: path } });
}
