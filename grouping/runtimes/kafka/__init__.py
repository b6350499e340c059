"""The engine on Apache Kafka: any number of workers, exactly once in effect."""
