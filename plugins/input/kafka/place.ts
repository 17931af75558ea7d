import type { TopicPartition } from "#src/clients/kafka/port.ts";

/** A partition that is there, of a topic of that id and so many partitions. */
export type Found = TopicPartition & { readonly topicId: string; readonly partitions: number };

/** One partition that is read, and how far. */
export type Place = TopicPartition & {
  /** Its name in the bus: the checkpoint and the lane are its own. */
  readonly name: string;
  /** Of the topic, by which one that was made anew is noticed. */
  readonly topicId: string;
  /** How many the topic has. */
  partitions: number;
  /** Where this run began to read. */
  readonly start: number;
  /** The next offset to be handed over. */
  next: number;
  /** Of the leader that wrote what is before it; -1 where it is not known. */
  leaderEpoch: number;
  /** The next offset that will be written, as far as it is known. */
  end: number;
  /** Unix milliseconds of the record that was handed over last. */
  lastTimestamp: number | undefined;
  /** Unix milliseconds at which there was nothing left to read. */
  levelAt: number | undefined;
  /** What the group was told last. */
  committed: number;
  /** While its packets are being handed over. */
  emitting: Promise<void> | undefined;
  /** The offset of a batch that was found damaged once. */
  damagedAt: number | undefined;
  /** It is being given up, or about to be read from elsewhere: nobody else moves it then. */
  busy: "leaving" | "moving" | undefined;
};

export const placeName = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`;
