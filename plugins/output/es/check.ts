import { type CheckContext, DbusError } from "#plugin";
import { createEsClient } from "#src/clients/elasticsearch/client.ts";
import { esConnectionOptions } from "#src/clients/elasticsearch/connection-config.ts";
import type { EsClient } from "#src/clients/elasticsearch/port.ts";
import type { EsOutputConfig } from "./es-config.ts";

/** Whether what answers is Elasticsearch, takes the login, and has or may have the index. */
export async function checkOutput(context: CheckContext, config: EsOutputConfig): Promise<void> {
  const client = await createEsClient(esConnectionOptions(config, context));
  try {
    await client.connect();
    context.ok(
      `reached Elasticsearch at ${config.nodes.map((node) => new URL(node).host).join(", ")}`,
    );
    const { index } = config;
    if (index.includes("${"))
      context.ok(`indices are named by the data (${index}), so none is looked at`);
    else await checkIndex(client, context, config);
  } finally {
    await client.close();
  }
}

async function checkIndex(
  client: EsClient,
  context: CheckContext,
  { index, createIndices }: EsOutputConfig,
): Promise<void> {
  const target = await client.resolve(index);
  if (target.kind === "dataStream") {
    throw new DbusError("ES_INDEX_UNSUITABLE", `${index} is a data stream`);
  }
  if (target.kind === "alias" && target.indices.length > 1) {
    const text = `${index} is an alias of ${target.indices.length} indices`;
    throw new DbusError("ES_INDEX_UNSUITABLE", text);
  }
  const missing = target.kind === "missing";
  if (missing && createIndices === false) {
    throw new DbusError("ES_INDEX_MISSING", `index ${index} does not exist`);
  }
  const wanted = ["index", "delete", "view_index_metadata", ...(missing ? ["create_index"] : [])];
  const denied = await client.denied(index, wanted);
  if (denied.length > 0) {
    throw new DbusError("ES_DENIED", `this login lacks ${denied.join(", ")} on index ${index}`);
  }
  context.ok(missing ? `index ${index} is not there, and may be made` : `index ${index} is there`);
}
