import { type KafkaDriver, kafkaDrivers } from "#src/clients/kafka/drivers.ts";
import { transactorContract } from "../../contract/kafka-transactor.ts";
import { useServices } from "../../services/index.ts";

const services = await useServices("kafka");

for (const driver of Object.keys(kafkaDrivers) as KafkaDriver[]) {
  for (const [name, run] of transactorContract) {
    services.test(`${driver}: ${name}`, ({ kafka: { bootstrap } }) => run({ driver, bootstrap }));
  }
}
