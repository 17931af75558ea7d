import { DbusError, defineOutput, type Log, type OutputContext } from "#plugin";
import { createBulkBody } from "#src/clients/elasticsearch/bulk-body.ts";
import { createEsClient } from "#src/clients/elasticsearch/client.ts";
import {
  esConnectionOptions,
  insecureParts,
} from "#src/clients/elasticsearch/connection-config.ts";
import type { EsClient } from "#src/clients/elasticsearch/port.ts";
import { createBulkSender } from "./bulk-sender.ts";
import { checkOutput } from "./check.ts";
import { type EsOutputConfig, esOutputSchema } from "./es-config.ts";
import { createIndices } from "./indices.ts";
import { createLineages, type OnNumbered } from "./lineages.ts";
import { createOperations } from "./operations.ts";
import { lineagesMax } from "./versions.ts";
import { type Writer, writePackets } from "./write.ts";

type State = {
  readonly client: EsClient;
  readonly writer: Writer;
  readonly abort: AbortController;
};

/** What nodes take unless they say otherwise: http.max_content_length of 100 MB. */
const contentBytesDefault = 100 * 1024 * 1024;

function writerOf(
  client: EsClient,
  config: EsOutputConfig,
  context: OutputContext,
  around: { readonly contentBytesMax: number; readonly signal: AbortSignal },
): Writer {
  const { clock, log } = context;
  const { bulkBytesMax, lineageIndex } = config;
  const { contentBytesMax } = around;
  return {
    operations: createOperations(config, clock),
    indices: createIndices(client, config, { clock, log }),
    lineages: createLineages(client, lineageIndex, tellOf(log)),
    sender: createBulkSender(client, { bulkBytesMax, pipeline: pipelineOfAll(config), ...around }),
    body: createBulkBody(),
    contentBytesMax,
  };
}

/** Two sources with the same ids in one index would use up the numbers that it has. */
function tellOf(log: Log): OnNumbered {
  return (index, lineage, number, isBack) => {
    const what = { index, lineage, number };
    if (!isBack) return log.info("an index has rows of a new lineage", what);
    log.warn("a source writes what another one wrote after it: one more number of its index", {
      ...{ ...what, of: lineagesMax },
      remedy:
        "a server that is back needs one; topics with the same ids go to an index each (index: ${ident}), or have ${ident} in the id",
    });
  };
}

/** Undefined also where the data name it. */
function pipelineOfAll({ pipeline }: EsOutputConfig): string | undefined {
  return pipeline?.includes("${") ? undefined : pipeline;
}

/** A pipeline that is not there would refuse each document. */
async function checkPipeline(client: EsClient, config: EsOutputConfig): Promise<void> {
  const pipeline = pipelineOfAll(config);
  if (pipeline === undefined || (await client.hasPipeline(pipeline))) return;
  throw new DbusError("ES_REQUEST_REFUSED", `there is no ingest pipeline ${pipeline}`, {
    remedy: "create the pipeline, or mend its name",
  });
}

export const esOutput = defineOutput<EsOutputConfig, State>({
  name: "EsOutput",
  insecure: insecureParts,
  summary: "Writes rows and documents to Elasticsearch, and nothing old over anything newer.",
  configSchema: esOutputSchema,
  defaults: {
    batch: { countMax: 2_000, bytesMax: 5 << 20, lingerMs: 200 },
    retry: { times: 3, delayMs: 200 },
  },
  // The bulk as bytes, and what the socket keeps of it.
  memory: () => ({ buffers: 16 << 20, copies: 4 }),
  check: checkOutput,
  async open(context, config) {
    const client = await createEsClient(esConnectionOptions(config, context));
    try {
      const { contentBytesMax = contentBytesDefault } = await client.connect();
      await checkPipeline(client, config);
      const abort = new AbortController();
      context.signal.addEventListener("abort", () => abort.abort(), { once: true });
      const around = { contentBytesMax, signal: abort.signal };
      return { client, writer: writerOf(client, config, context, around), abort };
    } catch (error) {
      await client.close();
      throw error;
    }
  },
  write: ({ writer }, packets) => writePackets(writer, packets),
  async close({ client, abort }) {
    abort.abort();
    await client.close();
  },
});
