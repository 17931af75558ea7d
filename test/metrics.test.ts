import { expect, test } from "bun:test";
import { metricsText } from "#src/metrics.ts";
import { fakeCluster } from "./api/fake-cluster.ts";
import { fakeStat, fakeTree } from "./api/fake-port.ts";

test("counters, lag, queues and restarts are there with their labels, and what is unknown is not", async () => {
  const text = await metricsText(fakeStat, fakeTree);
  for (const line of [
    'dbus_input_packets_total{input="shop",resource="mysql-1"} 1200',
    'dbus_input_lag_seconds{input="shop",resource="mysql-1"} 0.5',
    'dbus_input_in_flight_packets{input="shop",resource="mysql-1"} 12',
    'dbus_output_queued_packets{output="kafka"} 100',
    'dbus_output_running{output="kafka"} 0',
    'dbus_filter_dropped_total{filter="by-table"} 200',
    'dbus_actor_restarts_total{actor="engine/pipeline/router"} 2',
    'dbus_actor_credit_packets{actor="engine/pipeline/router",to="kafka"} 1900',
    "dbus_dead_letters 1",
    "dbus_gaps 1",
    "dbus_unrouted_packets_total 7",
    "dbus_ready 1",
    "dbus_config_reload_ok 1",
    "dbus_config_version 2",
  ]) {
    expect(text).toContain(`${line}\n`);
  }
  expect(text).not.toMatch(/^dbus_input_lag_bytes/m);
});

test("no label holds data: the idents that nothing matched are counted, not named", async () => {
  expect(await metricsText(fakeStat, fakeTree)).not.toContain("shop.secret");
});

test("scraping twice does not add up", async () => {
  const [one, two] = [await metricsText(fakeStat, fakeTree), await metricsText(fakeStat, fakeTree)];
  const without = (text: string) => text.replace(/dbus_cpu_seconds_total .*/g, "");
  expect(without(one)).toBe(without(two));
});

test("a participant tells of itself, and of all the others while it leads", async () => {
  const cluster = fakeCluster([]).metrics();
  const text = await metricsText(fakeStat, fakeTree, cluster);
  for (const line of [
    "dbus_cluster_connected 1",
    "dbus_cluster_lease_seconds 3.9",
    "dbus_cluster_leader 1",
    "dbus_cluster_epoch 3",
    "dbus_cluster_owned_resources 1",
    "dbus_cluster_moved_total 4",
    "dbus_cluster_participants 2",
    'dbus_cluster_resources{state="failed"} 1',
    "dbus_cluster_quarantined 1",
    'dbus_cluster_unread_seconds{id="crm-mysql-2-x",input="crm",resource="mysql-2"} 1.5',
  ]) {
    expect(text).toContain(`${line}\n`);
  }
  const follower = cluster && { ...cluster, epoch: null, sight: null };
  const other = await metricsText(fakeStat, fakeTree, follower);
  expect(other).toContain("dbus_cluster_leader 0\n");
  // Two that tell of the same would be counted twice.
  expect(other).not.toMatch(/^dbus_cluster_(participants|resources|unread_seconds|epoch)/m);
  expect(await metricsText(fakeStat, fakeTree, null)).not.toContain("dbus_cluster");
});
