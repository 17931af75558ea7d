import { createKafkajsProducer } from "#src/clients/kafka/kafkajs/producer.ts";
import { producerContract } from "../../contract/kafka-producer.ts";
import { useServices } from "../../services/index.ts";

const services = await useServices("kafka");

for (const [name, run] of producerContract) {
  services.test(`kafkajs: ${name}`, ({ kafka }) =>
    run({ create: createKafkajsProducer, bootstrap: kafka.bootstrap }),
  );
}
