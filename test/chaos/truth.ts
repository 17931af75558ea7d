import type { Stat } from "#src/api/port.ts";
import type { DaemonProcess } from "../support/daemon-process.ts";
import { waitFor } from "../support/wait-for.ts";

/** How long dbusd may take to notice that all is well: lag in bytes is asked for each 10 s. */
const noticedMsMax = 30_000;

export type TruthOptions = {
  /** A member of a group may have nothing to read, and so no lag. */
  readonly mayBeIdle?: boolean;
};

/**
 * Waits until dbusd itself says that everything has arrived, in status, metrics and probes. Rejects
 * with what it says instead.
 */
export async function tellsTheTruth(
  { adminUrl }: DaemonProcess,
  options: TruthOptions = {},
): Promise<void> {
  const get = async (path: string) => {
    const answer = await fetch(`${adminUrl}${path}`, { signal: AbortSignal.timeout(5_000) });
    return { status: answer.status, text: await answer.text() };
  };
  const check = async () => {
    const stat = JSON.parse((await get("/api/v1/stat")).text) as Stat;
    const metrics = valuesOf((await get("/metrics")).text);
    const wrong = [...wrongInStat(stat, options), ...wrongInMetrics(metrics, options)];
    for (const path of ["/healthz", "/readyz"]) {
      const { status } = await get(path);
      if (status !== 200) wrong.push(`${path} answers ${status}`);
    }
    if (wrong.length > 0) throw new Error(wrong.join(", "));
    return true;
  };
  const what = "dbusd to say that everything has arrived";
  await waitFor(check, { what, timeoutMs: noticedMsMax, intervalMs: 100 });
}

function wrongInStat(stat: Stat, { mayBeIdle = false }: TruthOptions): string[] {
  const wrong: string[] = [];
  const expect = (what: string, value: unknown, wanted: unknown) => {
    if (value !== wanted) wrong.push(`${what} is ${value}`);
  };
  expect("ready", stat.ready, true);
  expect("deadLetters", stat.deadLetters, 0);
  expect("gaps", stat.gaps, 0);
  expect("unrouted", stat.unrouted.packets, 0);
  for (const input of stat.inputs) {
    expect(`state of ${input.name}`, input.state, "running");
    expect(`inFlight of ${input.name}`, input.inFlight, 0);
    expect(`inFlightBytes of ${input.name}`, input.inFlightBytes, 0);
    if (!mayBeIdle || input.lagSeconds !== null) {
      expect(`lagSeconds of ${input.name}`, input.lagSeconds, 0);
    }
    expect(`lagBytes of ${input.name}`, input.lagBytes ?? 0, 0);
    expect(`lagRecords of ${input.name}`, input.lagRecords ?? 0, 0);
    expect(`note of ${input.name}`, input.note, null);
  }
  for (const filter of stat.filters) expect(`failed of ${filter.name}`, filter.failed, 0);
  for (const output of stat.outputs) {
    expect(`state of ${output.name}`, output.state, "running");
    expect(`queued of ${output.name}`, output.queued, 0);
    expect(`failed of ${output.name}`, output.failed, 0);
    expect(`note of ${output.name}`, output.note, null);
  }
  return wrong;
}

const wantedMetrics: Readonly<Record<string, number>> = {
  dbus_ready: 1,
  dbus_dead_letters: 0,
  dbus_gaps: 0,
  dbus_input_running: 1,
  dbus_input_in_flight_packets: 0,
  dbus_input_lag_seconds: 0,
  dbus_output_running: 1,
  dbus_output_queued_packets: 0,
};

function wrongInMetrics(
  values: ReadonlyMap<string, readonly number[]>,
  { mayBeIdle = false }: TruthOptions,
): string[] {
  return Object.entries(wantedMetrics).flatMap(([name, wanted]) => {
    const found = values.get(name) ?? [];
    if (mayBeIdle && name === "dbus_input_lag_seconds" && found.length === 0) return [];
    const right = found.length > 0 && found.every((value) => value === wanted);
    return right ? [] : [`${name} is ${found.join(" and ") || "missing"}`];
  });
}

/** The values of each metric, whatever their labels. */
function valuesOf(text: string): Map<string, number[]> {
  const values = new Map<string, number[]>();
  for (const line of text.split("\n")) {
    const [, name, value] = /^([a-z_]+)(?:\{.*\})? (\S+)$/.exec(line) ?? [];
    if (name === undefined) continue;
    values.set(name, [...(values.get(name) ?? []), Number(value)]);
  }
  return values;
}
