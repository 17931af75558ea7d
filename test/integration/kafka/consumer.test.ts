import { type KafkaDriver, kafkaDrivers } from "#src/clients/kafka/drivers.ts";
import { consumerContract } from "../../contract/kafka-consumer.ts";
import { groupContract } from "../../contract/kafka-group.ts";
import { useServices } from "../../services/index.ts";

const services = await useServices("kafka");

for (const driver of Object.keys(kafkaDrivers) as KafkaDriver[]) {
  for (const [name, run] of [...consumerContract, ...groupContract]) {
    services.test(`${driver}: ${name}`, ({ kafka }) => run({ driver, bootstrap: kafka.bootstrap }));
  }
}
