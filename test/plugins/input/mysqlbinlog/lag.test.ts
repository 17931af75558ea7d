import { expect, test } from "bun:test";
import { lagWhileAway } from "#plugins/input/mysqlbinlog/lag.ts";
import { mysqlbinlogInput } from "#plugins/input/mysqlbinlog/mysqlbinlog-input.ts";
import { fakeInputContext } from "../../../support/fake-context.ts";
import { createManualClock } from "../../../support/manual-clock.ts";
import { waitFor } from "../../../support/wait-for.ts";

test("while nobody can be asked the lag grows from the time up to which everything was read", () => {
  const clock = createManualClock();
  const seconds: (number | undefined)[] = [];
  const upTo = clock.wall() / 1000 - 5;
  const away = lagWhileAway(clock, upTo, (lag) => void seconds.push(lag.seconds));
  clock.advance(0);
  clock.advance(2_000);
  expect(seconds).toEqual([5, 6, 7]);
  away.stop();
  clock.advance(10_000);
  expect(seconds).toHaveLength(3);
});

test("a server that was never reached is one that we are behind, and it is said why", async () => {
  const bus = fakeInputContext();
  const config = mysqlbinlogInput.configSchema.parse({ host: "127.0.0.1", port: 1, user: "u" });
  const reader = await mysqlbinlogInput.open(bus.context, config);
  const run = mysqlbinlogInput.run(reader, bus.context);
  await waitFor(() => bus.lags.length > 0, { what: "a first report" });
  expect(bus.lags[0]).toEqual({ seconds: expect.any(Number) });
  expect(bus.states[0]).toStartWith("reconnecting: 127.0.0.1:1: ");
  bus.abort();
  await run;
});
