import type { Stat } from "./api/port.ts";
import type { Add, Sample } from "./metric-sample.ts";

const one = (value: number): readonly Sample[] => [{ labels: {}, value }];

/** What is of the whole process: its memory, its event loop, its configuration, what waits for a person. */
export function addProcess(stat: Stat, add: Add): void {
  const { version } = stat;
  const cpu = process.cpuUsage();
  add("gauge", "info", "The version that runs.", [{ labels: { version }, value: 1 }]);
  add("gauge", "ready", "1 when everything is running.", one(stat.ready ? 1 : 0));
  add("gauge", "uptime_seconds", "Since the start.", one(stat.uptimeMs / 1000));
  add("gauge", "resident_memory_bytes", "Memory of the process.", one(stat.rssBytes));
  const bound = "What its memory stays below with this configuration.";
  add("gauge", "memory_bound_bytes", bound, one(stat.memoryBoundBytes));
  const spent = (cpu.user + cpu.system) / 1e6;
  add("counter", "cpu_seconds_total", "Processor time, user and system.", one(spent));
  const lag = stat.loopLag;
  const stalled = "How long the event loop stood still";
  add("gauge", "loop_lag_seconds", `${stalled}.`, lag ? one(lag.lastMs / 1000) : []);
  add("gauge", "loop_lag_max_seconds", `${stalled} at most.`, lag ? one(lag.maxMs / 1000) : []);
  add("counter", "loop_stalls_total", "Times of over a second.", lag ? one(lag.stalls) : []);
  add("gauge", "epoch", "Starts in this data folder.", one(stat.epoch));
  const { version: configVersion, loadedAt, refused } = stat.config;
  add("gauge", "config_version", "1 at the start, then one a reload.", one(configVersion));
  add("gauge", "config_loaded_timestamp_seconds", "When it was loaded.", one(loadedAt / 1000));
  add("gauge", "config_reload_ok", "0 when the last reload was refused.", one(refused ? 0 : 1));
  const { packets, idents } = stat.unrouted;
  add("counter", "unrouted_packets_total", "Packets that nothing matched.", one(packets));
  add("gauge", "unrouted_idents", "Idents that nothing matched.", one(idents.length));
  add("gauge", "dead_letters", "Packets that wait for a person.", one(stat.deadLetters));
  add("gauge", "gaps", "Pieces of a source that were skipped.", one(stat.gaps));
}
