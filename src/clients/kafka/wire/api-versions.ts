import { DbusError } from "../../../errors.ts";
import { wireReader } from "./wire-reader.ts";

/*
 * ApiVersions Request (Version: 0) => (nothing)
 * ApiVersions Response (Version: 0) => error_code [api_key min_version max_version]
 */
export type ApiVersions = ReadonlyMap<number, { readonly min: number; readonly max: number }>;

type Ask = (request: {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly body: Buffer;
  decode(data: Buffer): ApiVersions;
}) => Promise<ApiVersions>;

/** What a broker speaks; asked before anything else. */
export function requestApiVersions(ask: Ask): Promise<ApiVersions> {
  return ask({ apiKey: 18, apiVersion: 0, body: Buffer.alloc(0), decode });
}

function decode(data: Buffer): ApiVersions {
  const reader = wireReader(data);
  const code = reader.int16();
  if (code !== 0) throw new DbusError("KAFKA_REQUEST_FAILED", `ApiVersions was answered ${code}`);
  return new Map(
    reader.array(() => {
      const key = reader.int16();
      return [key, { min: reader.int16(), max: reader.int16() }] as const;
    }),
  );
}
