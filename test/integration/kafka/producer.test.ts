import { createKafkaProducer, type KafkaDriver, kafkaDrivers } from "#src/clients/kafka/drivers.ts";
import { producerContract } from "../../contract/kafka-producer.ts";
import { useServices } from "../../services/index.ts";

const services = await useServices("kafka");

for (const driver of Object.keys(kafkaDrivers) as KafkaDriver[]) {
  for (const [name, run] of producerContract) {
    services.test(`${driver}: ${name}`, ({ kafka: { bootstrap } }) =>
      run({ create: (options) => createKafkaProducer(driver, options), bootstrap }),
    );
  }
}
