import {
  type ElasticsearchService,
  type KafkaService,
  type MysqlService,
  startElasticsearch,
  startKafka,
  startMysql,
} from "../services/index.ts";
import { sweepRunDirs } from "../services/run-dir.ts";

type Service = KafkaService | MysqlService | ElasticsearchService;

/**
 * Answers test processes that ask for a shared server: `GET /mysql` gives host:port, after the
 * server was started by the first who asked; 503 gives the reason why it cannot be had.
 */
export function serveServices(): { readonly url: string; stop(): Promise<void> } {
  const started = new Map<string, Promise<Service>>();
  const starters: Readonly<Record<string, () => Promise<Service>>> = {
    mysql: () => startMysql({ flavor: "mysql" }),
    mariadb: () => startMysql({ flavor: "mariadb" }),
    kafka: () => startKafka(),
    elasticsearch: () => startElasticsearch(),
  };
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    // A first start downloads for as long as it takes.
    idleTimeout: 0,
    fetch: async (request) => {
      const name = new URL(request.url).pathname.slice(1);
      const starter = starters[name];
      if (starter === undefined) return new Response(`no service ${name}`, { status: 404 });
      const service = started.get(name) ?? starter();
      started.set(name, service);
      try {
        return new Response(addressOf(await service));
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        return new Response(why, { status: 503 });
      }
    },
  });
  return {
    url: server.url.href,
    stop: async () => {
      await server.stop(true);
      const services = await Promise.allSettled(started.values());
      await Promise.all(
        services.map(async (service) => {
          if (service.status !== "fulfilled") return;
          // The data goes too, so nobody gains by an orderly end.
          if ("kill" in service.value) service.value.kill("SIGKILL");
          await service.value.stop();
        }),
      );
      sweepRunDirs();
    },
  };
}

function addressOf(service: Service): string {
  if ("bootstrap" in service) return service.bootstrap;
  return "url" in service ? service.url : `${service.host}:${service.port}`;
}
