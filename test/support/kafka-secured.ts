import { join } from "node:path";
import { command } from "../services/command.ts";
import { type KafkaService, startKafka } from "../services/index.ts";
import { kafkaLibs } from "../services/kafka.ts";
import { freePort } from "../services/port.ts";
import { removeRunDir, runDir } from "../services/run-dir.ts";

/** A broker that asks for logins and speaks TLS, with ACLs: only `alice` may read and write `allowed*`. */
export type SecuredKafka = {
  /** Anybody, in the clear: for the test itself. */
  readonly bootstrap: string;
  readonly sasl: string;
  readonly tls: string;
  readonly saslTls: string;
  readonly password: string;
  /** PEM of the broker's certificate, which signs itself. */
  readonly ca: string;
  stop(): Promise<void>;
};

const password = "alice-7f3e91c2";
const scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
const plain = `org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="${password}" user_mallory="m";`;

/** Makes a key and a certificate for loopback with Java's own tool. */
async function keystore(dir: string): Promise<{ store: string; pem: string }> {
  const store = join(dir, "broker.p12");
  const common = ["-alias", "broker", "-keystore", store, "-storepass", "changeit"];
  await command([
    ...["keytool", "-genkeypair", "-keyalg", "EC", "-dname", "CN=broker", "-validity", "30"],
    ...["-ext", "SAN=ip:127.0.0.1", "-storetype", "PKCS12", ...common],
  ]);
  return { store, pem: await command(["keytool", "-exportcert", "-rfc", ...common]) };
}

export async function startSecuredKafka(): Promise<SecuredKafka> {
  const dir = await runDir("kafka-keys");
  const { store, pem } = await keystore(dir);
  const listeners = {
    SASL_PLAINTEXT: await freePort(),
    SSL: await freePort(),
    SASL_SSL: await freePort(),
  };
  const logins = (listener: string) => ({
    [`listener.name.${listener}.sasl.enabled.mechanisms`]: "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
    [`listener.name.${listener}.plain.sasl.jaas.config`]: plain,
    [`listener.name.${listener}.scram-sha-256.sasl.jaas.config`]: scram,
    [`listener.name.${listener}.scram-sha-512.sasl.jaas.config`]: scram,
  });
  const kafka = await startKafka({
    listeners,
    properties: {
      ...logins("sasl_plaintext"),
      ...logins("sasl_ssl"),
      "ssl.keystore.type": "PKCS12",
      "ssl.keystore.location": store,
      "ssl.keystore.password": "changeit",
      "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
      "super.users": "User:ANONYMOUS",
    },
  });
  await grant(kafka);
  return {
    bootstrap: kafka.bootstrap,
    sasl: `127.0.0.1:${listeners.SASL_PLAINTEXT}`,
    tls: `127.0.0.1:${listeners.SSL}`,
    saslTls: `127.0.0.1:${listeners.SASL_SSL}`,
    password,
    ca: pem,
    async stop() {
      await kafka.stop();
      removeRunDir(dir);
    },
  };
}

/** Gives alice her SCRAM passwords and her rights, with Kafka's own tools. */
async function grant({ bootstrap }: KafkaService): Promise<void> {
  const java = ["java", "-Xmx128m", "-cp", join(await kafkaLibs(), "*")];
  const at = ["--bootstrap-server", bootstrap];
  const scramPassword = (mechanism: string) =>
    command([
      ...[...java, "kafka.admin.ConfigCommand", ...at, "--alter"],
      ...["--entity-type", "users", "--entity-name", "alice"],
      ...["--add-config", `${mechanism}=[password=${password}]`],
    ]);
  await Promise.all([
    scramPassword("SCRAM-SHA-256"),
    scramPassword("SCRAM-SHA-512"),
    command([
      ...[...java, "org.apache.kafka.tools.AclCommand", ...at, "--add"],
      ...["--allow-principal", "User:alice", "--producer", "--topic", "allowed"],
      ...["--consumer", "--group", "allowed"],
      ...["--resource-pattern-type", "prefixed"],
    ]),
  ]);
}
