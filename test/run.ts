import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { planJobs, selectFiles } from "./runner/plan.ts";
import { report } from "./runner/report.ts";
import { runJobs } from "./runner/run-jobs.ts";

const help = `Runs the tests, against real servers where they need them.

  bun run test                   everything
  bun run test unit              what needs no server
  bun run test integration       what needs servers
  bun run test WORD...           files whose path holds one of the words

Servers are fetched on first use, into DBUS_CACHE or the cache folder of the user, started when a
test asks for them and stopped at the end. DBUS_TEST_MYSQL, DBUS_TEST_MARIADB and DBUS_TEST_KAFKA
(host:port) name running ones to use instead.

  -t, --test-name-pattern RE   only tests whose name matches
  --jobs N                     processes at the same time (2)
  --list                       print the files and run nothing
  --help                       this text

The last line is \`N passed, N failed\`, and \`, N skipped\` if there were any.
`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: {
      "test-name-pattern": { type: "string", short: "t" },
      jobs: { type: "string" },
      list: { type: "boolean" },
      help: { type: "boolean", short: "h" },
    },
    allowPositionals: true,
  });
  if (values.help === true) {
    process.stdout.write(help);
    return 0;
  }
  const files = selectFiles(positionals);
  if (values.list === true) {
    process.stdout.write(files.map((file) => `${file}\n`).join(""));
    return 0;
  }
  if (files.length === 0) {
    process.stderr.write(`no test file matches ${positionals.join(" ")}; see --list\n`);
    process.stdout.write("0 passed, 0 failed\n");
    return 2;
  }
  const pattern = values["test-name-pattern"];
  const jobs = planJobs(files, pattern === undefined ? [] : ["-t", pattern]);
  const atOnce = Number(values.jobs ?? Math.max(2, Math.floor(cpus().length / 4)));
  return report(await runJobs(jobs, atOnce));
}

// Something that a test helper left open must not keep the process; `main` has stopped the servers.
process.exit(
  await main().catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
    process.stdout.write("0 passed, 1 failed\n");
    return 1;
  }),
);
