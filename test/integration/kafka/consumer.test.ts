import { type KafkaDriver, kafkaDrivers } from "#src/clients/kafka/drivers.ts";
import { consumerContract } from "../../contract/kafka-consumer.ts";
import { useServices } from "../../services/index.ts";

const services = await useServices("kafka");

for (const driver of Object.keys(kafkaDrivers) as KafkaDriver[]) {
  for (const [name, run] of consumerContract) {
    services.test(`${driver}: ${name}`, ({ kafka }) => run({ driver, bootstrap: kafka.bootstrap }));
  }
}
