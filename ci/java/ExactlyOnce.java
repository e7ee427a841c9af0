import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.errors.InvalidProducerEpochException;

/**
 * Copies a topic to another in transactions that also carry the consumed offsets, loses every third transaction
 * on the way (an abort, and the batch is read again), and checks that a read_committed reader finds each record
 * exactly once. Then a second producer of the same transactional id fences the first.
 *
 * Run by ci/java-clients: `java -cp 'libs/*' ExactlyOnce.java BOOTSTRAP PREFIX`.
 */
public final class ExactlyOnce {
    private static final int RECORDS = 1000;
    private static final int PARTITIONS = 3;
    private static final Duration POLL = Duration.ofMillis(200);
    private static final long DEADLINE_MS = 60_000;

    private final String bootstrap;
    private final String prefix;
    private final long end = System.currentTimeMillis() + DEADLINE_MS;

    private ExactlyOnce(String bootstrap, String prefix) {
        this.bootstrap = bootstrap;
        this.prefix = prefix;
    }

    public static void main(String[] args) throws Exception {
        ExactlyOnce check = new ExactlyOnce(args[0], args[1]);
        check.createTopics();
        check.fill();
        int aborted = check.copy();
        check.verify("read_committed", RECORDS);
        check.verifyUncommittedHasMore(aborted);
        check.fence();
        System.out.println("exactly once: " + RECORDS + " records, " + aborted + " aborted transactions, zombie fenced");
    }

    private String in() { return prefix + "-in"; }

    private String out() { return prefix + "-out"; }

    private void createTopics() throws Exception {
        try (Admin admin = Admin.create(client())) {
            admin.createTopics(List.of(
                new NewTopic(in(), PARTITIONS, (short) 1), new NewTopic(out(), PARTITIONS, (short) 1))).all().get();
        }
    }

    private void fill() throws Exception {
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(producer(null))) {
            for (int i = 0; i < RECORDS; i++) {
                producer.send(new ProducerRecord<>(in(), "key-" + i % 50, Integer.toString(i)));
            }
        }
    }

    /** Copies everything and returns how many transactions were aborted. */
    private int copy() {
        int aborted = 0;
        int copied = 0;
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(consumer(prefix + "-copy", "read_committed"));
             KafkaProducer<String, String> producer = new KafkaProducer<>(producer(prefix + "-tx"))) {
            consumer.subscribe(List.of(in()));
            producer.initTransactions();
            for (int round = 0; copied < RECORDS; round++) {
                ConsumerRecords<String, String> records = consumer.poll(POLL);
                if (records.isEmpty()) {
                    round--;
                    expectTime("copying, at " + copied);
                    continue;
                }
                producer.beginTransaction();
                Map<TopicPartition, OffsetAndMetadata> offsets = new TreeMap<>(
                    (a, b) -> Integer.compare(a.partition(), b.partition()));
                for (ConsumerRecord<String, String> record : records) {
                    producer.send(new ProducerRecord<>(out(), record.key(), record.value()));
                    offsets.put(new TopicPartition(record.topic(), record.partition()),
                        new OffsetAndMetadata(record.offset() + 1));
                }
                producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
                if (round % 3 == 0) {
                    // An abort drops what has not been sent yet, and nothing would be there to hide.
                    producer.flush();
                    producer.abortTransaction();
                    aborted++;
                    rewind(consumer);
                } else {
                    producer.commitTransaction();
                    copied += records.count();
                }
            }
        }
        return aborted;
    }

    /** Goes back to what is committed, as a consumer does that starts anew. */
    private static void rewind(KafkaConsumer<String, String> consumer) {
        Map<TopicPartition, OffsetAndMetadata> committed = consumer.committed(consumer.assignment());
        for (TopicPartition partition : consumer.assignment()) {
            OffsetAndMetadata offset = committed.get(partition);
            consumer.seek(partition, offset == null ? 0 : offset.offset());
        }
    }

    private void verify(String isolation, int wanted) {
        List<Integer> values = read(isolation);
        values.sort(null);
        List<Integer> all = new ArrayList<>();
        for (int i = 0; i < RECORDS; i++) {
            all.add(i);
        }
        expect(values.equals(all), isolation + " gave " + values.size() + " records instead of each of " + wanted + " once");
    }

    private void verifyUncommittedHasMore(int aborted) {
        int found = read("read_uncommitted").size();
        expect(aborted > 0 && found > RECORDS, "read_uncommitted shows the aborted records too, found " + found);
    }

    private List<Integer> read(String isolation) {
        List<Integer> values = new ArrayList<>();
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(consumer(null, isolation))) {
            List<TopicPartition> partitions = new ArrayList<>();
            for (int i = 0; i < PARTITIONS; i++) {
                partitions.add(new TopicPartition(out(), i));
            }
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            while (partitions.stream().anyMatch(p -> consumer.position(p) < ends.get(p))) {
                expectTime("reading " + isolation);
                for (ConsumerRecord<String, String> record : consumer.poll(POLL)) {
                    values.add(Integer.parseInt(record.value()));
                }
            }
        }
        return values;
    }

    private void fence() {
        String id = prefix + "-fenced";
        try (KafkaProducer<String, String> first = new KafkaProducer<>(producer(id));
             KafkaProducer<String, String> second = new KafkaProducer<>(producer(id))) {
            first.initTransactions();
            first.beginTransaction();
            first.send(new ProducerRecord<>(out(), "zombie", "-1"));
            first.flush();
            second.initTransactions();
            try {
                first.commitTransaction();
            } catch (ProducerFencedException | InvalidProducerEpochException fenced) {
                return;
            }
            expect(false, "the first producer of a transactional id could commit after the second had started");
        }
    }

    private Properties client() {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        return properties;
    }

    private Properties producer(String transactionalId) {
        Properties properties = client();
        properties.put("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        properties.put("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        if (transactionalId != null) {
            properties.put("transactional.id", transactionalId);
        }
        return properties;
    }

    private Properties consumer(String group, String isolation) {
        Properties properties = client();
        properties.put("key.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
        properties.put("value.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
        properties.put("auto.offset.reset", "earliest");
        properties.put("enable.auto.commit", "false");
        properties.put("isolation.level", isolation);
        // Small bites, so that there are several transactions to lose.
        properties.put("max.poll.records", "100");
        if (group != null) {
            properties.put("group.id", group);
        }
        return properties;
    }

    private void expectTime(String what) {
        expect(System.currentTimeMillis() < end, "not within " + DEADLINE_MS + " ms: " + what);
    }

    private static void expect(boolean holds, String claim) {
        if (!holds) {
            System.err.println("failed: " + claim);
            System.exit(1);
        }
    }
}
