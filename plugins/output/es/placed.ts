import type { DocumentVersion } from "#src/clients/elasticsearch/document-version.ts";

/** An operation that stands in the body, from one byte to another. */
export type Placed = {
  readonly from: number;
  readonly to: number;
  readonly index: string;
  readonly version: DocumentVersion | undefined;
  /** Whether the version tells partitions apart, as that of a record does. */
  readonly isRecord: boolean;
};
