import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { command } from "../services/command.ts";
import { systemTool } from "../services/system-tools.ts";

/** A certificate and its key as PEM, and the files that hold them. */
export type Certificate = {
  readonly cert: string;
  readonly key: string;
  readonly certFile: string;
  readonly keyFile: string;
};

export type CertificateOptions = {
  /** Names that it is for, as OpenSSL spells them; 127.0.0.1 and localhost unless told. */
  readonly san?: string;
  /** Whether it ended yesterday. */
  readonly expired?: boolean;
};

/** An authority of one's own that signs certificates for tests, with OpenSSL's tool. */
export type Authority = {
  /** PEM that clients are told to trust. */
  readonly ca: string;
  readonly caFile: string;
  issue(name: string, options?: CertificateOptions): Promise<Certificate>;
};

/** Makes the authority and keeps all its files in `dir`; `name` tells several apart. */
export async function makeAuthority(dir: string, name = "ca"): Promise<Authority> {
  const openssl = await systemTool("openssl");
  const run = (...args: string[]) => command([openssl, ...args], { cwd: dir });
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const caFile = join(dir, `${name}.pem`);
  await run(
    ...["req", "-x509", ...newKey, "-keyout", `${name}.key`, "-out", caFile, "-days", "30"],
    ...["-subj", `/CN=dbus test authority ${name}`],
  );
  return {
    ca: readFileSync(caFile, "utf8"),
    caFile,
    async issue(one, { san = "IP:127.0.0.1,DNS:localhost", expired = false } = {}) {
      const [keyFile, certFile] = [join(dir, `${one}.key`), join(dir, `${one}.pem`)];
      const request = `${one}.csr`;
      await run(
        "req",
        "-new",
        ...newKey,
        "-keyout",
        keyFile,
        "-out",
        request,
        "-subj",
        `/CN=${one}`,
      );
      writeFileSync(join(dir, `${one}.ext`), `subjectAltName=${san}\n`);
      await run(
        ...["x509", "-req", "-in", request, "-CA", caFile, "-CAkey", `${name}.key`],
        ...["-CAcreateserial", "-out", certFile, "-extfile", `${one}.ext`],
        ...["-days", expired ? "-1" : "30"],
      );
      const read = (path: string) => readFileSync(path, "utf8");
      return { cert: read(certFile), key: read(keyFile), certFile, keyFile };
    },
  };
}
