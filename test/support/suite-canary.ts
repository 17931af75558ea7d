import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * The secret that the test runner draws for each run and hands to every job: in the environment,
 * and as the token that dbc sends. Nobody may write it anywhere. Undefined without the runner.
 */
export const suiteCanary: string | undefined = process.env.DBUS_TEST_CANARY || undefined;

const fileBytesMax = 16 << 20;

/** Looks at what a daemon has left in its folder; the runner fails the job that prints the secret. */
export function lookForCanary(folder: string): void {
  if (suiteCanary === undefined) return;
  for (const path of filesBelow(folder)) {
    if (lstatSync(path).size > fileBytesMax || !readFileSync(path).includes(suiteCanary)) continue;
    process.stderr.write(`[canary] a secret stands in ${path}: ${suiteCanary}\n`);
  }
}

function filesBelow(folder: string): readonly string[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).flatMap((one) => {
      const path = join(folder, one.name);
      if (one.isDirectory()) return filesBelow(path);
      return one.isFile() ? [path] : [];
    });
  } catch {
    // The test has removed it already.
    return [];
  }
}
