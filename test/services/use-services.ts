import { test } from "bun:test";
import type { MysqlAddress } from "./mysql.ts";
import { progress } from "./progress.ts";
import {
  type ElasticsearchAddress,
  type KafkaAddress,
  sharedElasticsearch,
  sharedKafka,
  sharedMysql,
} from "./shared.ts";

/** The shared servers that a test can ask for by name. */
export type Running = {
  readonly mysql: MysqlAddress;
  readonly mariadb: MysqlAddress;
  readonly kafka: KafkaAddress;
  readonly elasticsearch: ElasticsearchAddress;
};

export type ServiceName = keyof Running;

/** What `useServices` gives: the way to register tests that get the servers' addresses. */
export type ServiceTests<Name extends ServiceName> = {
  /** Registers a test; `timeoutMs` is 60 s unless told. */
  test(
    name: string,
    run: (services: Pick<Running, Name>) => Promise<void> | void,
    timeoutMs?: number,
  ): void;
};

const starters: { readonly [Name in ServiceName]: () => Promise<Running[Name]> } = {
  mysql: () => sharedMysql("mysql"),
  mariadb: () => sharedMysql("mariadb"),
  kafka: sharedKafka,
  elasticsearch: sharedElasticsearch,
};

/**
 * Starts (or finds) the shared servers, at the head of a test file and outside any test's
 * timeout:
 *
 *     const services = await useServices("mysql", "kafka");
 *     services.test("a committed row arrives", async ({ mysql, kafka }) => { ... });
 *
 * When a server cannot be started its tests fail in CI (`CI=true`); elsewhere they are skipped,
 * with the reason in their name and on standard error.
 */
export function useServices<Name extends ServiceName>(
  ...names: readonly Name[]
): Promise<ServiceTests<Name>> {
  return useStarted(names.join(" and "), async () => {
    const started = await Promise.all(
      names.map(async (name) => [name, await starters[name]()] as const),
    );
    return Object.fromEntries(started) as Pick<Running, Name>;
  }) as Promise<ServiceTests<Name>>;
}

/**
 * The same for servers of a file's own: `start` starts them, for example three brokers or a
 * MySQL with other arguments, and what it returns is handed to every test of the file.
 */
export async function useStarted<Services>(
  what: string,
  start: () => Promise<Services>,
): Promise<{
  test(name: string, run: (services: Services) => Promise<void> | void, timeoutMs?: number): void;
}> {
  try {
    const services = await start();
    return {
      test: (name, run, timeoutMs = 60_000) => test(name, async () => run(services), timeoutMs),
    };
  } catch (error) {
    const reason = `${what} could not be started: ${error instanceof Error ? error.message : error}`;
    progress(reason);
    if (process.env.CI === "true") {
      return {
        test: (name) =>
          test(name, () => {
            throw new Error(reason);
          }),
      };
    }
    const line = reason.replace(/\s*\n\s*/g, " | ").slice(0, 1_000);
    return {
      test: (name, run) => {
        progress(`SKIPPED: ${name}: ${line}`);
        test.skip(`${name} [skipped: ${line}]`, () => void run);
      },
    };
  }
}
