import type { ClusterMetrics } from "./api/cluster-port.ts";
import type { ActorStatus, Stat } from "./api/port.ts";
import type { Add, Sample } from "./metric-sample.ts";
import { addCluster } from "./metrics-cluster.ts";
import { addProcess } from "./metrics-process.ts";

/** The content type of the text format, as prom-client names it too. */
export const metricsType = "text/plain; version=0.0.4; charset=utf-8";

/**
 * A status as Prometheus text. The registry lives for one scrape: the actors hold the counters,
 * and a second copy of them could only disagree. Labels are names from the config, never data.
 */
export async function metricsText(
  stat: Stat,
  root: ActorStatus,
  cluster?: ClusterMetrics | null,
): Promise<string> {
  // Loaded by the first scrape: a bus that nobody scrapes is 7 MB smaller.
  const { Counter, Gauge, Registry } = await import("prom-client");
  const registry = new Registry();
  const add = (kind: "counter" | "gauge", name: string, help: string, all: readonly Sample[]) => {
    // Without any label, prom-client would make up a 0 for what nobody has measured.
    const labels = all.length === 0 ? ["name"] : all.flatMap(({ labels }) => Object.keys(labels));
    const labelNames = [...new Set(labels)];
    const options = { name: `dbus_${name}`, help, labelNames, registers: [registry] };
    const metric = kind === "counter" ? new Counter(options) : new Gauge(options);
    for (const { labels, value } of all) metric.inc(labels, value);
  };
  addProcess(stat, add);
  addInputs(stat, add);
  addStages(stat, add);
  addActors(root, add);
  if (cluster) addCluster(cluster, add);
  return registry.metrics();
}

function addInputs({ inputs }: Stat, add: Add): void {
  const each = (pick: (input: Stat["inputs"][number]) => number | null): Sample[] =>
    inputs.flatMap((input) => {
      const value = pick(input);
      const labels = { input: input.name, resource: input.resource };
      return value === null ? [] : [{ labels, value }];
    });
  add(
    "gauge",
    "input_running",
    "1 when reading.",
    each((i) => (i.state === "running" ? 1 : 0)),
  );
  add(
    "counter",
    "input_packets_total",
    "Packets read.",
    each((i) => i.packets),
  );
  add(
    "counter",
    "input_bytes_total",
    "Bytes read.",
    each((i) => i.bytes),
  );
  add(
    "gauge",
    "input_in_flight_packets",
    "Read and not settled.",
    each((i) => i.inFlight),
  );
  add(
    "gauge",
    "input_in_flight_bytes",
    "The same in bytes.",
    each((i) => i.inFlightBytes),
  );
  add(
    "counter",
    "input_interruptions_total",
    "Times that the source was lost.",
    each((i) => i.interruptions),
  );
  add(
    "counter",
    "input_throttled_seconds_total",
    "Waited for a quota of the source.",
    each((i) => i.throttledMs / 1000),
  );
  add(
    "gauge",
    "input_lag_seconds",
    "Behind the source, by time.",
    each((i) => i.lagSeconds),
  );
  add(
    "gauge",
    "input_lag_bytes",
    "Behind the source, by bytes.",
    each((i) => i.lagBytes),
  );
  add(
    "gauge",
    "input_lag_records",
    "Behind the source, by records, where it is a log that counts them.",
    each((i) => i.lagRecords),
  );
  add(
    "gauge",
    "input_stuck_seconds",
    "How long one packet has held up a checkpoint, once that is an alarm; else 0.",
    each((i) => Math.max(0, ...i.stuck.map(({ heldMs }) => heldMs / 1000))),
  );
}

type Stage = Pick<Stat["filters"][number], "timeouts" | "poisoned" | "suspects">;

function addStages({ filters, outputs }: Stat, add: Add): void {
  const filter = (pick: (one: Stat["filters"][number]) => number): Sample[] =>
    filters.map((one) => ({ labels: { filter: one.name }, value: pick(one) }));
  const output = (pick: (one: Stat["outputs"][number]) => number): Sample[] =>
    outputs.map((one) => ({ labels: { output: one.name }, value: pick(one) }));
  add(
    "counter",
    "filter_packets_total",
    "Packets taken.",
    filter((f) => f.packets),
  );
  add(
    "counter",
    "filter_emitted_total",
    "Packets sent on.",
    filter((f) => f.emitted),
  );
  add(
    "counter",
    "filter_dropped_total",
    "Dropped on purpose.",
    filter((f) => f.dropped),
  );
  add(
    "counter",
    "filter_failed_total",
    "Packets it threw on.",
    filter((f) => f.failed),
  );
  const stages = (pick: (one: Stage) => number): Sample[] => [...filter(pick), ...output(pick)];
  add(
    "counter",
    "plugin_timeouts_total",
    "Calls that did not return in time.",
    stages((s) => s.timeouts),
  );
  add(
    "counter",
    "poisoned_packets_total",
    "Packets that were the cause of crashes.",
    stages((s) => s.poisoned),
  );
  add(
    "gauge",
    "suspect_packets",
    "Packets that may be the cause of a crash.",
    stages((s) => s.suspects),
  );
  add(
    "gauge",
    "output_running",
    "1 when writing.",
    output((o) => (o.state === "running" ? 1 : 0)),
  );
  add(
    "counter",
    "output_throttled_seconds_total",
    "Waited for a quota of the sink.",
    output((o) => o.throttledMs / 1000),
  );
  add(
    "counter",
    "output_packets_total",
    "Packets written.",
    output((o) => o.packets),
  );
  add(
    "counter",
    "output_bytes_total",
    "Bytes written.",
    output((o) => o.bytes),
  );
  add(
    "counter",
    "output_retried_total",
    "Packets tried again.",
    output((o) => o.retried),
  );
  add(
    "counter",
    "output_left_out_packets_total",
    "Left out on purpose.",
    output((o) => o.leftOut),
  );
  add(
    "counter",
    "output_failed_total",
    "Refused for good.",
    output((o) => o.failed),
  );
  add(
    "gauge",
    "output_queued_packets",
    "Waiting to be written.",
    output((o) => o.queued),
  );
  const inBuffer = (
    pick: (buffer: NonNullable<Stat["outputs"][number]["buffer"]>) => number | null,
  ): Sample[] =>
    outputs.flatMap(({ name, buffer }) => {
      const value = buffer && pick(buffer);
      return value === null ? [] : [{ labels: { output: name }, value }];
    });
  add(
    "gauge",
    "output_buffer_packets",
    "Waiting in the buffer on disk.",
    inBuffer((b) => b.packets),
  );
  add(
    "gauge",
    "output_buffer_bytes",
    "What the buffer takes on disk.",
    inBuffer((b) => b.bytes),
  );
  add(
    "gauge",
    "output_buffer_oldest_age_seconds",
    "How long the oldest packet has waited in the buffer on disk.",
    inBuffer((b) => b.oldestAgeSeconds),
  );
}

function addActors(root: ActorStatus, add: Add): void {
  const flat = (actor: ActorStatus): ActorStatus[] => [actor, ...actor.children.flatMap(flat)];
  const actors = flat(root);
  const each = (pick: (actor: ActorStatus) => number): Sample[] =>
    actors.map((actor) => ({ labels: { actor: actor.path }, value: pick(actor) }));
  add(
    "counter",
    "actor_restarts_total",
    "Starts after the first.",
    each((a) => a.restarts),
  );
  add(
    "counter",
    "actor_messages_total",
    "Messages handled.",
    each((a) => a.handled),
  );
  const busy = each((a) => a.busyMs / 1000);
  add("counter", "actor_busy_seconds_total", "Time spent on them.", busy);
  add(
    "gauge",
    "actor_mailbox_depth",
    "Messages that wait.",
    each((a) => a.mailbox.depth),
  );
  add(
    "gauge",
    "actor_mailbox_bytes",
    "The same in bytes.",
    each((a) => a.mailbox.bytes),
  );
  const credit = actors.flatMap(({ path, credit }) =>
    Object.entries(credit).map(([to, value]) => ({ labels: { actor: path, to }, value })),
  );
  add("gauge", "actor_credit_packets", "What it may still send.", credit);
}
