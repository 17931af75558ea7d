import { readFileSync } from "node:fs";
import { join } from "node:path";
import { kafkaWitness } from "../support/kafka-topic.ts";
import type { DaemonKeeper } from "./daemon-keeper.ts";
import { type FillableDisk, fillableDisk } from "./fillable-disk.ts";
import type { Journal } from "./journal.ts";
import { type TruthOptions, tellsTheTruth } from "./truth.ts";

/** When the faults have ceased, everything must arrive in that time. */
export const recoveryMsMax = 90_000;
/** An index takes far longer than a log on a machine that is busy with other things. */
export const stateMsMax = 240_000;
/** What a commit may take beyond its interval on a machine that is busy with other things. */
export const commitMsMax = 2_000;
/** What a stop may take beyond its deadline there. */
export const stopSlackMs = 7_000;

/** It takes root; elsewhere the round goes on without, and its journal says so. */
export function mountDisk(journal: Journal): FillableDisk | undefined {
  try {
    return fillableDisk("4m");
  } catch (error) {
    journal.note(`no full disk: ${error}`);
    return undefined;
  }
}

export async function deleteTopics(bootstrap: string, topics: readonly string[]): Promise<void> {
  const witness = await kafkaWitness(bootstrap);
  await witness.deleteTopics(topics).finally(() => witness.close());
}

export async function deleteIndices(url: string, indices: readonly string[]): Promise<void> {
  await fetch(`${url}/${indices.join()}?ignore_unavailable=true`, { method: "DELETE" });
}

export async function checkTruth(
  daemon: DaemonKeeper,
  journal: Journal,
  options?: TruthOptions,
): Promise<void> {
  const { process } = daemon;
  if (process === undefined) return journal.problem("dbusd does not run in the end");
  await tellsTheTruth(process, options).catch((error: unknown) => journal.problem(`${error}`));
}

/** What a clean stop has delivered is not delivered again. */
export async function startAgain(daemon: DaemonKeeper, journal: Journal): Promise<void> {
  await daemon.start();
  await daemon.process?.ready().catch((error: unknown) => journal.problem(`${error}`));
  await daemon.stop(() => true);
}

/** Nothing in the log that dbus itself calls a bug, and no secret. */
export function checkLog(dir: string, journal: Journal, password?: string): void {
  const log = readFileSync(join(dir, "dbusd.log"), "utf8");
  if (password !== undefined && log.includes(password)) {
    journal.problem("the password is in the log");
  }
  const bugs = log.split("\n").filter((line) => /"(INVARIANT|INTERNAL)"/.test(line));
  if (bugs.length > 0) journal.problem(`${bugs.length} bugs in the log: ${bugs[0]}`);
}
