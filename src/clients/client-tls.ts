import { z } from "zod";

/** The fields by which a plugin says whom to believe, and who it is, when it speaks TLS to a server. */
export const clientTlsSchema = z.strictObject({
  ca: z
    .string()
    .optional()
    .describe("PEM of the authorities to trust, instead of the system's: ${file:/etc/ca.pem}"),
  cert: z.string().optional().describe("PEM of the client's certificate"),
  key: z
    .string()
    .optional()
    .meta({ secret: true })
    .describe("PEM of the client's key: ${file:/run/secrets/client.key}"),
  insecure: z
    .boolean()
    .default(false)
    .describe("trust any certificate; whoever is in between can read and change everything"),
});
