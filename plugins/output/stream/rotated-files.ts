import { readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";

/** Moves a full file aside under the next number, `orders-000007.ndjson`; drops the oldest. */
export async function rotated(path: string, keep: number | undefined): Promise<void> {
  const numbers = await numbersOf(path);
  const next = (numbers.at(-1) ?? 0) + 1;
  await rename(path, numbered(path, next));
  if (keep === undefined) return;
  for (const old of [...numbers, next].slice(0, -keep)) await rm(numbered(path, old));
}

async function numbersOf(path: string): Promise<number[]> {
  const [stem, extension] = partsOf(path);
  const numbers: number[] = [];
  for (const name of await readdir(dirname(path))) {
    if (!name.startsWith(`${stem}-`) || !name.endsWith(extension)) continue;
    const digits = name.slice(stem.length + 1, name.length - extension.length);
    if (/^\d{6,}$/.test(digits)) numbers.push(Number(digits));
  }
  return numbers.sort((a, b) => a - b);
}

function numbered(path: string, number: number): string {
  const [stem, extension] = partsOf(path);
  return join(dirname(path), `${stem}-${String(number).padStart(6, "0")}${extension}`);
}

function partsOf(path: string): [stem: string, extension: string] {
  const extension = extname(path);
  return [basename(path, extension), extension];
}
