import { parseArgs } from "node:util";
import {
  downService,
  type RunningService,
  runningServices,
  serviceNames,
  upService,
} from "./background.ts";

const help = `Real servers to try things on, in the background. Everything is on loopback.

  bun run services up NAME...      starts them and prints their addresses
  bun run services status          shows what runs
  bun run services down [NAME...]  stops them, and their data goes too

NAME is one of: ${serviceNames.join(", ")} (kafka3 is three brokers).
They are downloaded once, into DBUS_CACHE or the cache folder of the user.

  --json   one object on standard output
  --help   this text
`;

async function main(): Promise<number> {
  const options = { json: { type: "boolean" }, help: { type: "boolean", short: "h" } } as const;
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const [verb, ...names] = positionals;
  if (values.help === true || verb === undefined) {
    process.stdout.write(help);
    return values.help === true ? 0 : 2;
  }
  const unknown = names.filter((name) => !serviceNames.includes(name));
  if (unknown.length > 0) return refuse(`there is no service ${unknown.join(", ")}`);
  if (verb === "up") {
    if (names.length === 0) return refuse("say which: for example `services up mysql kafka`");
    for (const name of names) await upService(name);
  } else if (verb === "down") {
    const running = await runningServices();
    for (const service of running) {
      if (names.length === 0 || names.includes(service.name)) await downService(service);
    }
  } else if (verb !== "status") {
    return refuse(`there is no verb ${verb}`);
  }
  show(await runningServices(), values.json === true);
  return 0;
}

function refuse(why: string): number {
  process.stderr.write(`services: ${why}\n\n${help}`);
  return 2;
}

function show(services: readonly RunningService[], json: boolean): void {
  if (json) {
    process.stdout.write(`${JSON.stringify({ services })}\n`);
    return;
  }
  if (services.length === 0) process.stdout.write("no service is running\n");
  for (const service of services) {
    const lines = [`${service.name}  ${service.address}  (pid ${service.pids.join(", ")})`];
    for (const hint of service.hints) lines.push(`    ${hint}`);
    process.stdout.write(`${lines.join("\n")}\n`);
  }
}

process.exitCode = await main().catch((error: unknown) => {
  process.stderr.write(`services: ${error instanceof Error ? error.message : error}\n`);
  return 1;
});
