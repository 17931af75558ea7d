import { expect, test } from "bun:test";
import type { ZkOperation } from "#src/clients/zookeeper/port.ts";
import { createEmbeddedCoordinator } from "#src/cluster/embedded/embedded-coordinator.ts";
import { paths, resourcePath } from "#src/cluster/paths.ts";
import { decode, type ResourceRecord, resourceSchema } from "#src/cluster/records.ts";
import { prepareRoot, registerResources } from "#src/cluster/register-resources.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { seededRandom } from "../support/random.ts";

const { resources, assign, serverIds } = paths;

function wanted(count: number): ResourceRecord[] {
  const record = { resource: "r", cost: 1, group: null, tags: [], tenant: null };
  return Array.from({ length: count }, (_, n) => ({ ...record, input: `in${n}` }));
}

const nobody = { owner: null, inc: null, gen: 0, epoch: 0, prev: null };
const unseen = { assign: { record: nobody, version: 0 }, claim: null, status: null };

async function cluster() {
  const session = createEmbeddedCoordinator(createManualClock()).open();
  await prepareRoot(session, [resources, assign, serverIds]);
  let ids = 0;
  async function register(count: number, random: () => number): Promise<number> {
    const known = (await session.children(resources)).names;
    // Those that are there already are of inputs that nobody wants any more.
    const gone = { input: "gone", resource: "r", cost: 1, group: null, tags: [], tenant: null };
    const census = { resources: known.map((rid) => ({ ...unseen, rid, record: gone })) };
    const write = (operations: readonly ZkOperation[]) => session.multi(operations);
    const newId = () => String(++ids);
    return registerResources({ session, census, wanted: wanted(count), write, newId, random });
  }
  async function readerIds(): Promise<(readonly [string, number | undefined])[]> {
    const { names } = await session.children(resources);
    return await Promise.all(
      names.map(async (rid) => {
        const { data } = await session.get(resourcePath(rid));
        return [rid, decode(resourceSchema, data, rid).readerId] as const;
      }),
    );
  }
  return { session, register, readerIds };
}

test("every resource has a number that no other reader of the cluster has", async () => {
  const { session, register, readerIds } = await cluster();
  const random = seededRandom(7);
  expect(await register(100, () => random.next())).toBe(100);
  const given = await readerIds();
  expect(new Set(given.map(([, id]) => id)).size).toBe(100);
  for (const [rid, id = 0] of given) {
    expect(id >= 2 ** 30 && id < 2 ** 31).toBe(true);
    const { data } = await session.get(`${serverIds}/${id}`);
    expect(JSON.parse(Buffer.from(data).toString())).toEqual({ rid });
  }
});

test("a number that is taken is drawn again, and nothing is there by half", async () => {
  const { session, register, readerIds } = await cluster();
  const draws = [0.5, 0.5, 0.5, 0.25];
  const draw = () => draws.shift() ?? 0.125;
  await register(1, draw);
  await register(1, draw);
  const given = await readerIds();
  expect(given.map(([, id]) => id).sort()).toEqual([1.25 * 2 ** 30, 1.5 * 2 ** 30]);
  for (const folder of [assign, serverIds]) {
    expect((await session.children(folder)).names).toHaveLength(2);
  }
});

test("where none can be had it gives up, instead of drawing for ever", async () => {
  const { register } = await cluster();
  await register(1, () => 0.5);
  const second = register(1, () => 0.5);
  await expect(second).rejects.toMatchObject({ reason: "node_exists" });
});
