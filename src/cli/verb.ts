import type { ParseArgsOptionsConfig } from "node:util";
import { DbusError } from "../errors.ts";
import type { Client } from "./client.ts";

/** Options as parseArgs gives them. */
export type Values = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;

export type VerbContext = {
  readonly client: Client;
  readonly args: readonly string[];
  readonly values: Values;
  readonly json: boolean;
  readonly out: (text: string) => void;
  /** Whether `out` is a terminal: then watching redraws in place. */
  readonly terminal: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborts on Ctrl-C. */
  readonly signal: AbortSignal;
};

/** One verb of dbc, one file each. */
export type Verb = {
  readonly name: string;
  readonly summary: string;
  /** What comes after `dbc`, one line for each form. */
  readonly usage: readonly string[];
  readonly options?: ParseArgsOptionsConfig;
  /** Lines about the options. */
  readonly help?: string;
  run(context: VerbContext): Promise<number>;
};

/** What a verb was given under `name`, as text. */
export function textOption(values: Values, name: string): string | undefined {
  const value = values[name];
  return typeof value === "string" ? value : undefined;
}

export function usageError(message: string, usage: string): DbusError {
  return new DbusError("USAGE", message, { remedy: `usage: dbc ${usage}` });
}

/** Prints the machine's form or the person's. */
export function show(context: VerbContext, value: unknown, text: () => string): void {
  context.out(context.json ? `${JSON.stringify(value, null, 2)}\n` : text());
}
