import { join } from "node:path";
import { tempDir } from "./temp-dir.ts";

/** Gives a new name of a data folder at each call; all of them are gone at the end. */
export function stateDirs(what: string): () => string {
  const parent = tempDir(what);
  let count = 0;
  return () => join(parent, `state-${++count}`);
}
