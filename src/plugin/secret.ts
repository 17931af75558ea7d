import { z } from "zod";

/**
 * A text field that is never shown: `.meta({ secret: true })` is what the redaction looks for, so
 * a schema of another shape can be marked by hand in the same way.
 */
export function secret(description: string): z.ZodString {
  return z.string().meta({ secret: true, description });
}
