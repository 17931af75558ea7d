import { type Clock, sleep } from "../clock.ts";

/** A body, or the status that says why there is none. */
export type Body = { readonly bytes: Buffer } | { readonly status: 400 | 408 | 413 };

/** Reads a body of at most `bytesMax` bytes within `timeoutMs`, and not one byte beyond. */
export async function readBody(
  request: Request,
  bytesMax: number,
  timeoutMs: number,
  clock: Clock,
): Promise<Body> {
  if (Number(request.headers.get("content-length") ?? 0) > bytesMax) return { status: 413 };
  if (!request.body) return { bytes: Buffer.alloc(0) };
  const reader = request.body.getReader();
  const abort = new AbortController();
  const late = sleep(clock, timeoutMs, abort.signal).then(() => "late" as const);
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for (;;) {
      const next = await Promise.race([reader.read(), late]);
      if (next === "late") return await giveUp(reader, 408);
      if (next.done) return { bytes: Buffer.concat(chunks) };
      size += next.value.byteLength;
      if (size > bytesMax) return await giveUp(reader, 413);
      chunks.push(next.value);
    }
  } catch {
    // The client went away; nobody will read the answer.
    return { status: 400 };
  } finally {
    abort.abort();
  }
}

async function giveUp(
  reader: { cancel(): Promise<void> },
  status: 408 | 413,
): Promise<{ readonly status: 408 | 413 }> {
  await reader.cancel().catch(() => {});
  return { status };
}
