import { z } from "zod";
import { defineFilter, defineInput, defineOutput, secret } from "#plugin";
import type { Builtin } from "#src/plugin/builtin.ts";
import type { Plugin } from "#src/plugin/define.ts";
import { createRegistry } from "#src/plugin/registry.ts";

/** Plugins that do nothing, with one field of each kind that a config can get wrong. */
export const fakeInput = defineInput({
  name: "FakeInput",
  summary: "Reads nothing.",
  configSchema: z.strictObject({
    url: z.string().describe("Where to read.").optional(),
    port: z.int().min(1).max(65_535).describe("The port.").optional(),
    follow: z.boolean().describe("Whether to wait for more.").default(false),
    mode: z.enum(["async", "sync", "dryrun"]).describe("How to read.").default("async"),
    tables: z.array(z.string().min(1)).describe("Which tables.").default(["*"]),
    password: secret("The password.").optional(),
    idents: z.array(z.string()).describe("The idents it emits.").optional(),
    tls: z
      .strictObject({ ca: z.string().describe("The CA's file."), key: secret("The key.") })
      .describe("TLS.")
      .optional(),
  }),
  idents: (config, ident) => config.idents ?? [ident],
  open: () => null,
  run: () => Promise.resolve(),
});

export const fakeFilter = defineFilter({
  name: "FakeFilter",
  summary: "Passes all.",
  configSchema: z.strictObject({
    send: z.array(z.string()).describe("The idents it emits.").optional(),
  }),
  idents: (config, ident) => config.send ?? [ident],
  open: () => null,
  apply: (_, packet) => packet,
});

export const fakeOutput = defineOutput({
  name: "FakeOutput",
  summary: "Writes nothing.",
  configSchema: z.strictObject({
    topic: z.string().describe("The topic's template.").default("cdc.${db}.${tbl}"),
    acks: z
      .union([z.literal("all"), z.int().min(0)])
      .describe("The acks.")
      .default("all"),
  }),
  defaults: { batch: { lingerMs: 500 } },
  open: () => null,
  write: () => undefined,
});

export function asBuiltin(plugin: Plugin): Builtin {
  return { kind: plugin.kind, name: plugin.name, load: async () => ({ plugin }) };
}

export const fakePlugins = [fakeInput, fakeFilter, fakeOutput];
export const fakeRegistry = createRegistry(fakePlugins.map(asBuiltin));
