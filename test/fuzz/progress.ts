import { readFileSync, writeFileSync } from "node:fs";

/** Which case is being run, and how many were begun; readable also when the process hangs. */
export type Progress = { readonly case: number; readonly cases: number };

/** A file that is memory: what was written last is there however the process ends. */
export function progressWriter(file: string): { at(number: number, cases: number): void } {
  writeFileSync(file, new Uint8Array(16));
  const bytes = Bun.mmap(file, { shared: true });
  const view = new DataView(bytes.buffer, bytes.byteOffset, 16);
  return {
    at(number, cases) {
      view.setFloat64(0, number, true);
      view.setFloat64(8, cases, true);
    },
  };
}

export function readProgress(file: string): Progress | undefined {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch {
    return undefined;
  }
  if (bytes.length < 16) return undefined;
  return { case: bytes.readDoubleLE(0), cases: bytes.readDoubleLE(8) };
}
