import { createPrivateKey, X509Certificate } from "node:crypto";
import { z } from "zod";

/** What a listener needs to speak TLS, both as PEM. */
export type ServerTls = { readonly cert: string; readonly key: string };

/**
 * The fields of a listener's TLS. They are looked at when the configuration is read: what a
 * listener could not use must not become known when the first client comes.
 */
export function serverTlsSchema(description: string): z.ZodType<ServerTls> {
  return z
    .strictObject({
      cert: z
        .string()
        .describe("PEM of the certificate and those between it and the root: ${file:/etc/c.pem}"),
      key: z
        .string()
        .meta({ secret: true })
        .describe("PEM of its key, without a passphrase: ${file:/run/secrets/key.pem}"),
    })
    .superRefine(({ cert, key }, { addIssue }) => {
      const certificate = attempt(() => new X509Certificate(cert));
      const own = attempt(() => createPrivateKey(key));
      const add = (path: string, message: string) =>
        addIssue({ code: "custom", path: [path], message });
      if (!certificate) add("cert", "this is no certificate in PEM");
      if (!own) add("key", "this is no private key in PEM without a passphrase");
      if (certificate && own && !certificate.checkPrivateKey(own)) {
        add("key", "this key belongs to another certificate");
      }
    })
    .describe(description);
}

/** Never says why: OpenSSL's messages may quote what it was given. */
function attempt<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch {
    return undefined;
  }
}
