import type { Resource } from "#plugin";
import { joins, type KafkaInputConfig } from "./kafka-input-config.ts";

/** Kafka's rules for topics and groups allow what a resource's id does not. */
function safe(kind: string, name: string): string {
  const plain = name.toLowerCase().replace(/[^a-z0-9._-]+/g, "-");
  const id = `kafka-${kind}-${plain}`;
  return plain === name && id.length <= 63 ? id : `${id.slice(0, 54)}-${hash(name)}`;
}

function hash(text: string): string {
  return Bun.hash(text).toString(16).padStart(16, "0").slice(0, 8);
}

/**
 * Members of a group share its topics out among themselves, so the group is one resource, as is a
 * pattern, of which nobody knows the topics beforehand. Topics by name are one each.
 */
export function resourcesOf(config: KafkaInputConfig): readonly Resource[] {
  const { groupId, topicPattern } = config;
  if (groupId !== undefined && joins(config)) {
    return [{ id: safe("group", groupId), label: `kafka group ${groupId}` }];
  }
  if (topicPattern !== undefined) {
    return [{ id: safe("pattern", topicPattern), label: `kafka topics ${topicPattern}` }];
  }
  return namesOf(config).map((topic) => ({
    id: safe("topic", topic),
    label: `kafka topic ${topic}`,
  }));
}

function namesOf({ topics, partitions }: KafkaInputConfig): readonly string[] {
  return topics ?? Object.keys(partitions ?? {});
}

/** The names that a resource reads; undefined where a pattern says which. */
export function topicsOf(
  config: KafkaInputConfig,
  resource: Resource,
): readonly string[] | undefined {
  if (config.topicPattern !== undefined) return undefined;
  const names = namesOf(config);
  if (joins(config)) return names;
  const index = resourcesOf(config).findIndex(({ id }) => id === resource.id);
  // A context of its own, as tests have it, reads all of them.
  return index < 0 ? names : names.slice(index, index + 1);
}
