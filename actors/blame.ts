import { dirname, sep } from "node:path";
import { currentOwner } from "#src/actor/owner.ts";
import type { System } from "#src/actor/system.ts";
import type { Clock } from "#src/clock.ts";
import { DbusError, toDbusError } from "#src/errors.ts";
import type { Log } from "#src/log.ts";
import { fileOfPlugin } from "#src/plugin/registry.ts";
import type { Wiring } from "./wiring.ts";

export type BlameDeps = {
  readonly wiring: () => Wiring;
  readonly system: () => System;
  readonly clock: Clock;
  readonly log: Log;
};

/** A forgotten interval that throws for ever must not flood the log. */
const LOG_EVERY_MS = 10_000;

/**
 * Ends the actor whose code threw something that nobody caught, and answers whether one was found.
 * The runtime says whose timer or callback it was; of a promise or a socket it does not know, and
 * then the stack may still name the file of a user's plugin: all actors that run that file are
 * ended, since to start one too many loses nothing. What is left of a plugin that is closed already
 * ends nothing, and is logged.
 */
export function createBlame(deps: BlameDeps): (thrown: unknown) => boolean {
  const { clock, log } = deps;
  let loggedAt = Number.NEGATIVE_INFINITY;

  function leftover(path: string, thrown: unknown): void {
    if (clock.now() - loggedAt < LOG_EVERY_MS) return;
    loggedAt = clock.now();
    const error = toDbusError(thrown);
    log.warn(`what an earlier run of ${path} left behind has thrown; it ends nothing`, { error });
  }

  return (thrown) => {
    const owner = currentOwner();
    if (owner) {
      if (!owner.fail(uncaught(thrown))) leftover(owner.path, thrown);
      return true;
    }
    const paths = pathsOnStack(thrown, deps.wiring());
    for (const path of paths) {
      if (!deps.system().fail(path, uncaught(thrown))) leftover(path, thrown);
    }
    return paths.length > 0;
  };
}

function uncaught(thrown: unknown): DbusError {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new DbusError("PLUGIN_UNCAUGHT", `nobody caught: ${message}`, { cause: thrown });
}

/**
 * The actors that run a user's file which stands in the stack of what was thrown; without one, those
 * whose file is in the folder of a file that does: a plugin may be in several.
 */
function pathsOnStack(thrown: unknown, { inputs, filters, outputs }: Wiring): string[] {
  const stack = thrown instanceof Error ? (thrown.stack ?? "") : "";
  const own = [...inputs, ...filters, ...outputs].flatMap(({ path, entry }) => {
    const file = fileOfPlugin(entry.plugin);
    return file === undefined ? [] : [{ path, file }];
  });
  const named = own.filter(({ file }) => stack.includes(`${file}:`));
  const found = named.length > 0 ? named : own.filter((one) => inFolderOf(one.file, stack));
  return found.map(({ path }) => path);
}

function inFolderOf(file: string, stack: string): boolean {
  const at = stack.indexOf(`${dirname(file)}${sep}`);
  return at >= 0 && !stack.slice(at).startsWith(`${dirname(file)}${sep}node_modules`);
}
