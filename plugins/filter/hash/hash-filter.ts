import { createHmac } from "node:crypto";
import { z } from "zod";
import { type Column, defineFilter, type Packet, secret, type Value } from "#plugin";
import { createFieldEditor, replacing } from "#src/format/field-edit.ts";
import { columnText, fieldsField, onMissingField } from "#src/format/packet-parts.ts";

/*
 * Puts HMAC-SHA-256 of a value in its place: equal values stay equal, within one key, and nobody
 * who lacks the key can try values until one fits, as with a plain hash. NULL stays NULL. A number
 * is hashed as its digits, so that 5 in one table and "5" in another stay equal.
 */
const configSchema = z.strictObject({
  fields: fieldsField,
  key: secret("The key, at least 16 characters: ${file:/run/secrets/hash-key}").min(16),
  encoding: z
    .enum(["hex", "base64url"])
    .default("hex")
    .describe("How the hash is written: 64 characters of hex, or 43 of base64url."),
  onMissing: onMissingField,
});

type Config = z.infer<typeof configSchema>;
type State = (packet: Packet) => Packet;

export const hashFilter = defineFilter<Config, State>({
  name: "HashFilter",
  summary: "Puts a keyed hash in the place of values, for personal data.",
  configSchema,
  single: () => true,
  open: ({ ident }, { fields, key, encoding, onMissing }) => {
    const hash = (value: string | Uint8Array) =>
      createHmac("sha256", key).update(value).digest(encoding);
    const hashed = (value: NonNullable<Value>) =>
      hash(value instanceof Uint8Array ? value : columnText(value));
    const column = (plain: Column) => ({ column: asHash(plain), convert: hashed });
    return createFieldEditor(replacing(fields, onMissing, { column, text: hash }), ident);
  },
  apply: (edit, packet) => edit(packet),
});

const asHash = ({ name, nullable }: Column): Column => ({
  name,
  kind: "text",
  type: "varchar(64)",
  nullable,
});
