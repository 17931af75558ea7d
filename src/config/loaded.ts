import type { Graph } from "./compile.ts";
import type { Config } from "./config.ts";
import type { Problem } from "./problem.ts";

/** What the command line says against the file. */
export type Overrides = {
  readonly admin?: { readonly host: string; readonly port: number } | undefined;
  readonly stateDir?: string | undefined;
  readonly logLevel?: Config["log"]["level"] | undefined;
  readonly logFormat?: Config["log"]["format"] | undefined;
  /** `cluster.connect`, checked. */
  readonly cluster?: string | undefined;
  /** What counts for the section cluster where it says nothing: how its text was found. */
  readonly clusterDefaults?: Partial<NonNullable<Config["cluster"]>> | undefined;
};

export type Loaded = {
  /** null when any problem is an error. */
  readonly config: Config | null;
  readonly problems: readonly Problem[];
  readonly edges: Graph["edges"];
  /** As far as it can be shown, also when it is wrong; nothing where it is no object. */
  readonly shown?: unknown;
};
