/**
 * What the system does with an error: `retry` may succeed later by itself, `fatal` needs a person,
 * `fence` means that somebody newer owns the work, `bug` is a broken invariant of dbus itself.
 */
export type ErrorKind = "retry" | "fatal" | "fence" | "bug";

type Entry = { readonly kind: ErrorKind; readonly summary: string; readonly remedy: string };

/** The closed table of codes. `docs/errors.md` is made from it. Grouped by area, one line an idea. */
const table = {
  INVARIANT: {
    kind: "bug",
    summary: "an invariant of dbus does not hold",
    remedy: "report it with the log; the actor restarts from what was not acked",
  },
  INTERNAL: {
    kind: "bug",
    summary: "an error without a code of its own",
    remedy: "report it with the log",
  },
  // Configuration and start.
  CONFIG_NOT_FOUND: {
    kind: "fatal",
    summary: "the configuration file cannot be read",
    remedy: "name a readable file: dbusd path/to/config.yaml",
  },
  CONFIG_SYNTAX: {
    kind: "fatal",
    summary: "the configuration is not valid YAML",
    remedy: "mend the line that is named; YAML indents with spaces, never with tabs",
  },
  CONFIG_INVALID: {
    kind: "fatal",
    summary: "the configuration does not fit its schema",
    remedy: "mend the places that are named; dbusd --schema prints what is allowed",
  },
  CONFIG_GRAPH: {
    kind: "fatal",
    summary: "the pipeline is not a connected acyclic graph",
    remedy: "mend the names and matches that are named",
  },
  RELOAD_RESTART: {
    kind: "fatal",
    summary: "a changed setting is read at the start only",
    remedy: "stop dbusd and start it with the new file, or take the change of these keys back",
  },
  RELOAD_HELD: {
    kind: "retry",
    summary: "packets in flight did not arrive in time for the graph to be changed under them",
    remedy: "mend the node that is named, then reload again; or restart dbusd, which does not wait",
  },
  SECRET_MISSING: {
    kind: "fatal",
    summary: "a referenced environment variable or file is not there",
    remedy: "set the variable or create the file, then start again",
  },
  PLUGIN_UNKNOWN: {
    kind: "fatal",
    summary: "no plugin of that name",
    remedy: "dbc plugins lists the names; a file is named by a path that starts with ./",
  },
  PLUGIN_LOAD: {
    kind: "fatal",
    summary: "a plugin file cannot be loaded",
    remedy:
      "mend the file; it must export one value made by defineInput, defineFilter or defineOutput",
  },
  USAGE: {
    kind: "fatal",
    summary: "the command line is not understood",
    remedy: "add --help to see what is",
  },
  ADMIN_UNSAFE: {
    kind: "fatal",
    summary: "the admin API would be reachable from other machines without a token or TLS",
    remedy:
      "listen on 127.0.0.1, or set admin.token and admin.tls (admin.insecure behind a TLS proxy)",
  },
  ADMIN_BUSY: {
    kind: "retry",
    summary: "the admin API has as many connections as it takes",
    remedy: "try again in a second; close connections that are not used",
  },
  ADMIN_LISTEN: {
    kind: "fatal",
    summary: "the admin API cannot listen on its port",
    remedy: "free the port or set admin.port",
  },
  DAEMON_UNREACHABLE: {
    kind: "retry",
    summary: "no daemon answers at that address",
    remedy: "start dbusd, or name its address with --admin",
  },
  WAIT_OVER: {
    kind: "retry",
    summary: "what was waited for is not so yet",
    remedy: "what was asked for stands and goes on; look again, or wait longer with --wait",
  },
  // MySQL and MariaDB: the network side.
  MYSQL_UNREACHABLE: {
    kind: "retry",
    summary: "the MySQL server cannot be reached",
    remedy: "check host and port, and that the server runs; reading goes on by itself then",
  },
  MYSQL_BUSY: {
    kind: "retry",
    summary: "the MySQL server takes no more connections now",
    remedy:
      "raise max_connections; after many failed logins FLUSH HOSTS, " +
      "or since MySQL 8.4 TRUNCATE TABLE performance_schema.host_cache",
  },
  MYSQL_ACCESS_DENIED: {
    kind: "fatal",
    summary: "the MySQL server refuses user and password",
    remedy:
      "mend user and password, or the account: ALTER USER ... IDENTIFIED BY ...; " +
      "a server that demands TLS may refuse plain text with the same words: set tls",
  },
  MYSQL_TABLE_MISSING: {
    kind: "retry",
    summary: "no table that the account sees is one of those that are to be read",
    remedy:
      "mend databases, tables or the database in dsn; what is created later is read, and what the " +
      "account may not SELECT from is read unseen",
  },
  MYSQL_GRANT: {
    kind: "fatal",
    summary: "the MySQL account lacks a privilege",
    remedy: "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO the account",
  },
  MYSQL_TLS: {
    kind: "fatal",
    summary: "no trusted TLS connection to the MySQL server",
    remedy:
      "name the CA of the server in tlsCa, or set tls: require | disable to trust the network",
  },
  MYSQL_BINLOG_OFF: {
    kind: "fatal",
    summary: "the MySQL server writes no binary log",
    remedy: "start the server with log_bin = binlog (and server_id = 1) in its configuration",
  },
  MYSQL_BINLOG_FORMAT: {
    kind: "fatal",
    summary: "the binary log does not hold rows",
    remedy: "SET GLOBAL binlog_format = 'ROW', and connect the writers anew",
  },
  MYSQL_PARTIAL_JSON: {
    kind: "fatal",
    summary: "the binary log holds JSON differences instead of values",
    remedy: "SET GLOBAL binlog_row_value_options = '', and connect the writers anew",
  },
  MYSQL_SERVER_ID: {
    kind: "fatal",
    summary: "the MySQL server has server_id 0, so it serves no replica",
    remedy: "SET GLOBAL server_id = 1, and set it in the server's configuration",
  },
  MYSQL_GTID_OFF: {
    kind: "fatal",
    summary: "the MySQL server does not give each transaction a GTID",
    remedy: "turn gtid_mode ON step by step as its manual says, or set gtid: auto",
  },
  MYSQL_SERVER_ID_CLASH: {
    kind: "retry",
    summary: "another replica reads this server under the same server id",
    remedy: "give each reader its own serverId; the position is kept",
  },
  MYSQL_SILENT: {
    kind: "retry",
    summary: "the MySQL server sent neither events nor heartbeats",
    remedy: "nothing: a new connection is made; look at the network if it stays",
  },
  MYSQL_PROTOCOL: {
    kind: "retry",
    summary: "the MySQL server sent what the protocol does not allow",
    remedy: "nothing: a new connection is made; look for a proxy in between if it stays",
  },
  MYSQL_QUERY: {
    kind: "retry",
    summary: "a statement failed on the MySQL server",
    remedy: "mend the cause that the server names",
  },
  MYSQL_DUMP_REFUSED: {
    kind: "retry",
    summary: "the MySQL server ended the binary log stream",
    remedy: "mend the cause that the server names; the position is kept",
  },
  MYSQL_BINLOG_CORRUPT: {
    kind: "fatal",
    summary: "the MySQL server cannot read its own binary log",
    remedy: "look at it with mysqlbinlog --verify-binlog-checksum; then dbc checkpoint set",
  },
  MYSQL_EVENT_TOO_LARGE: {
    kind: "fatal",
    summary: "an event of the binary log is larger than the limit",
    remedy: "raise eventBytesMax, or max_allowed_packet of the server if it says so",
  },
  DEADLETTER_POINTER: {
    kind: "fatal",
    summary:
      "a dead letter is of an input that could not read what is there: nothing can be sent again",
    remedy:
      "mend what its reason names (a larger eventBytesMax, format: bytes, the record), then write " +
      "the row or record once more at its source, or set the checkpoint back with " +
      "dbc checkpoint set",
  },
  POSITION_LOST: {
    kind: "fatal",
    summary: "the source no longer has the position from which to go on",
    remedy:
      "set onPositionLost: earliest | latest (the gap is written down), or dbc checkpoint set",
  },
  // Binary logs: decoding of events and rows.
  BINLOG_CHECKSUM: {
    kind: "retry",
    summary: "the checksum of a binlog event does not fit its bytes",
    remedy: "nothing: it is read again; if it stays, run mysqlbinlog --verify-binlog-checksum",
  },
  BINLOG_CORRUPT: {
    kind: "fatal",
    summary: "a binlog event is not what its format allows",
    remedy: "look at it with mysqlbinlog; then go on behind it with dbc checkpoint set",
  },
  BINLOG_EVENT_UNSUPPORTED: {
    kind: "fatal",
    summary: "the binlog holds an event that dbus cannot read yet",
    remedy: "avoid what is named on the server, then go on behind it with dbc checkpoint set",
  },
  BINLOG_TYPE_UNSUPPORTED: {
    kind: "fatal",
    summary: "a column has a type that dbus cannot read yet",
    remedy: "exclude the table: tables: {exclude: [db.table]}",
  },
  BINLOG_TEXT_INVALID: {
    kind: "fatal",
    summary: "the bytes of a text are not valid in the character set of its column",
    remedy: "mend the row on the server, or exclude the table: tables: {exclude: [db.table]}",
  },
  BINLOG_INCIDENT: {
    kind: "fatal",
    summary: "the server says that changes may be missing in its binlog",
    remedy: "compare the data, then go on behind the incident with dbc checkpoint set",
  },
  BINLOG_FILE: {
    kind: "retry",
    summary: "a binlog file cannot be found or read",
    remedy: "check the path and its permissions",
  },
  SCHEMA_UNKNOWN: {
    kind: "fatal",
    summary: "the column names of a table are not known as of the position that is read",
    remedy: "SET GLOBAL binlog_row_metadata = FULL",
  },
  GTID_INVALID: {
    kind: "fatal",
    summary: "that is not a GTID set",
    remedy: "write it as the server prints it, e.g. uuid:1-5 (MySQL) or 0-1-5 (MariaDB)",
  },
  // State.
  STATE_LOCKED: {
    kind: "fatal",
    summary: "another process holds the data folder",
    remedy: "stop the other dbusd, or give this one its own state.dir",
  },
  STATE_UNWRITABLE: {
    kind: "retry",
    summary: "the data folder cannot be written",
    remedy: "check the path, its permissions and the free space of state.dir",
  },
  STATE_NEWER: {
    kind: "fatal",
    summary: "the data folder was written by a newer version of dbus",
    remedy: "start that version or a newer one, or give this one its own state.dir",
  },
  STATE_OLDER: {
    kind: "fatal",
    summary: "the data folder was written by an older version of dbus",
    remedy: "start dbusd once: it brings the data folder up to date",
  },
  STATE_CORRUPT: {
    kind: "fatal",
    summary: "the state file is damaged",
    remedy: "restore it from a backup, or set the checkpoint anew with dbc checkpoint set",
  },
  SPILL_UNWRITABLE: {
    kind: "retry",
    summary: "the buffer of an output on disk cannot be written or read",
    remedy:
      "check the permissions and the free space of state.dir; nothing is lost, its inputs wait",
  },
  SPILL_DAMAGED: {
    kind: "fatal",
    summary: "packets that waited in the buffer of an output on disk cannot be read any more",
    remedy:
      "they are counted and noted as a gap (dbc gaps); if their source still has them, read it again " +
      "from before them with dbc checkpoint set",
  },
  SPILL_VERSION: {
    kind: "fatal",
    summary: "the buffer of an output on disk holds packets that a newer dbus wrote",
    remedy:
      "start that version of dbus again until dbc status shows the buffer empty; nothing is lost, the " +
      "output and its buffer wait",
  },
  SPILL_LEFT: {
    kind: "fatal",
    summary:
      "an output's buffer on disk still holds packets, and the configuration has no such buffer",
    remedy:
      "put the output back with buffer: {kind: disk} and the same name until dbc status shows its " +
      "buffer empty; then take it away",
  },
  STALE_EPOCH: {
    kind: "fence",
    summary: "a newer owner has taken this resource",
    remedy: "nothing: this process stops reading it",
  },
  CHECKPOINT_CORRUPT: {
    kind: "fatal",
    summary: "a stored checkpoint cannot be read",
    remedy: "look at it with dbc checkpoint get, then dbc checkpoint set or reset",
  },
  // The bus.
  UNROUTED: {
    kind: "fatal",
    summary: "a packet has an ident that nothing matches",
    remedy: "add a match for it, or set bus.onUnrouted: drop",
  },
  OUTPUT_REJECTED: {
    kind: "fatal",
    summary: "the output refused a packet for good",
    remedy: "look at it with dbc deadletters show, then redrive it",
  },
  FILTER_FAILED: {
    kind: "fatal",
    summary: "a filter threw on a packet",
    remedy: "look at the packet in the dead letters; mend the filter or its input",
  },
  FIELD_MISSING: {
    kind: "fatal",
    summary: "a filter or template names a field that the packet does not have",
    remedy: "mend the name, or set onMissing: pass where not every packet has it; then redrive",
  },
  EXPRESSION_FAILED: {
    kind: "fatal",
    summary: "an expression cannot be evaluated for a packet",
    remedy:
      "guard what may be NULL or absent: row.x != null && row.x > 4, has(row.x); look at the " +
      "packet in the dead letters, then redrive it",
  },
  FILTER_TOO_MANY: {
    kind: "fatal",
    summary: "a filter gave more packets at once than may be held: 10,000, or 32 MiB of them",
    remedy:
      "yield them from a generator (function*), which is asked when there is room; then redrive",
  },
  PLUGIN_UNCAUGHT: {
    kind: "bug",
    summary: "a plugin threw where nobody catches: in a timer, a callback or a promise",
    remedy: "mend the plugin: what it does later must catch its own errors; its actor restarts",
  },
  PLUGIN_TIMEOUT: {
    kind: "retry",
    summary: "a call of a plugin did not return in time",
    remedy:
      "nothing: its actor restarts and is given the packets again; raise timeoutMs if it is slow",
  },
  PLUGIN_CRASHED: {
    kind: "retry",
    summary: "a plugin crashed on packets that it was given",
    remedy: "nothing: they are given to it again, fewer at a time, until the cause is found",
  },
  PACKET_POISON: {
    kind: "fatal",
    summary: "a plugin crashed on this packet each time, the last time with it alone",
    remedy: "mend the plugin, look at the packet with dbc deadletters show, then redrive it",
  },
  PACKET_INVALID: {
    kind: "fatal",
    summary: "a plugin emitted something that is not a packet",
    remedy: "mend the plugin; its contract test shows what is expected",
  },
  LOOP_STALLED: {
    kind: "fatal",
    summary: "the event loop stood still for longer than bus.stallMsMax",
    remedy: "mend the plugin that is named: it computes without an end, or raise bus.stallMsMax",
  },
  STOP_DEADLINE: {
    kind: "retry",
    summary: "not everything was acked before the stop's deadline",
    remedy: "nothing: what was not acked is read again at the next start",
  },
  HEAD_STUCK: {
    kind: "retry",
    summary: "one packet has held up the checkpoint of its input for long",
    remedy:
      "see in dbc status what the named output or filter waits for; nothing is lost meanwhile, " +
      "and the checkpoint goes on once it has settled the packet",
  },
  ACTOR_INTENSITY: {
    kind: "fatal",
    summary: "an actor failed more often than its supervisor allows",
    remedy: "mend the cause named in its last error",
  },
  ACTOR_UNAVAILABLE: {
    kind: "retry",
    summary: "the actor is not running now",
    remedy: "try again when dbc supervisor shows it running",
  },
  NOT_FOUND: {
    kind: "fatal",
    summary: "nothing of that name or number",
    remedy: "list what there is with dbc status",
  },
  REQUEST_TOO_LARGE: {
    kind: "fatal",
    summary: "the request's body is larger than allowed",
    remedy: "send less at a time",
  },
  UNAUTHORIZED: {
    kind: "fatal",
    summary: "the admin API wants a token, and got none or a wrong one",
    remedy: "set DBUS_TOKEN to one of the daemon's tokens",
  },
  ROLE_DENIED: {
    kind: "fatal",
    summary: "the role of the token does not allow this request",
    remedy: "use a token of the role that is named, from admin.tokens",
  },
  FORBIDDEN: {
    kind: "fatal",
    summary: "the request comes from a foreign page or by a foreign name",
    remedy: "call the admin API by its own address, and not from another site's page",
  },
  REQUEST_INVALID: {
    kind: "fatal",
    summary: "the request is not valid",
    remedy: "the OpenAPI document at /api/v1/openapi.json says what is",
  },
  // ZooKeeper.
  ZOOKEEPER_UNREACHABLE: {
    kind: "retry",
    summary: "no ZooKeeper server of the list answers",
    remedy: "check the hosts and ports, and that a majority of the servers runs",
  },
  ZOOKEEPER_CONNECTION_LOST: {
    kind: "retry",
    summary: "the connection to ZooKeeper was lost before it answered a request",
    remedy: "nothing: what was written is read before it is tried again",
  },
  ZOOKEEPER_SESSION_EXPIRED: {
    kind: "fence",
    summary: "the session with ZooKeeper has expired, and with it all that it held",
    remedy: "nothing: the process joins anew; raise the session timeout if it happens often",
  },
  ZOOKEEPER_CONDITION: {
    kind: "retry",
    summary: "a node of ZooKeeper is not as the request expected it",
    remedy: "nothing: the state is read anew; somebody else has changed it meanwhile",
  },
  ZOOKEEPER_DENIED: {
    kind: "fatal",
    summary: "ZooKeeper does not let these credentials do that",
    remedy: "check the digest user and password, and the ACLs of the nodes",
  },
  ZOOKEEPER_TLS: {
    kind: "fatal",
    summary: "no trusted TLS connection to ZooKeeper",
    remedy: "name the CA of the servers, and that their certificates name their hosts",
  },
  ZOOKEEPER_PROTOCOL: {
    kind: "retry",
    summary: "ZooKeeper sent what the protocol does not allow",
    remedy: "nothing: a new connection is made; is it ZooKeeper 3.5 or newer at that port?",
  },
  ZOOKEEPER_REQUEST_FAILED: {
    kind: "retry",
    summary: "ZooKeeper refused a request",
    remedy: "see the reason; look at the log of the server",
  },
  // The cluster.
  CLUSTER_STATE_CORRUPT: {
    kind: "fatal",
    summary: "a node of the cluster in ZooKeeper does not hold what it should",
    remedy: "see which, and who wrote it; restore it, or give the cluster another root",
  },
  CLUSTER_DUPLICATE_ID: {
    kind: "fatal",
    summary: "another live process has this participant's id",
    remedy: "give each process its own cluster.id, or its own state.dir",
  },
  CLUSTER_EPOCH_REGRESSION: {
    kind: "fatal",
    summary: "the epoch in ZooKeeper is older than one that was seen before",
    remedy:
      "ZooKeeper was restored from a backup, or nodes were deleted: check what is read by whom, " +
      "then write an epoch into leader_epoch that is higher than any that was seen",
  },
  CLUSTER_RPC_UNSAFE: {
    kind: "fatal",
    summary: "other machines could call this participant, and there is no key to know them by",
    remedy: "give all participants the same key of 16 characters or more, or listen on 127.0.0.1",
  },
  CLUSTER_RPC_LISTEN: {
    kind: "fatal",
    summary: "the port for calls between participants cannot be listened on",
    remedy: "free the port, or name another one",
  },
  CLUSTER_RPC_REFUSED: {
    kind: "retry",
    summary: "a call between participants, or its answer, is not signed as it must be",
    remedy: "give all participants the same key, and let their clocks agree to within a minute",
  },
  CLUSTER_RPC_UNANSWERED: {
    kind: "retry",
    summary: "another participant does not answer in time",
    remedy: "check that it runs, and that its port for calls can be reached from here",
  },
  CLUSTER_PROTOCOL: {
    kind: "fatal",
    summary: "this version and the cluster do not speak the same protocol",
    remedy: "run a version that speaks it; dbc participants shows what the others speak",
  },
  CLUSTER_NONE: {
    kind: "fatal",
    summary: "this daemon is a member of no cluster now",
    remedy: "set the section cluster and start again; after a lost session it comes back by itself",
  },
  CLUSTER_REFUSED: {
    kind: "fatal",
    summary: "what the cluster is like now does not allow it",
    remedy: "see dbc participants and dbc resources, and mend what is named",
  },
  CLUSTER_INPUT_UNKNOWN: {
    kind: "fatal",
    summary: "this participant's configuration has no such input",
    remedy: "give all participants of the cluster the same configuration",
  },
  CLUSTER_NOT_OPENED: {
    kind: "retry",
    summary: "a resource could not be read within the time for opening it",
    remedy: "see the reason; another participant tries it, and this one again later",
  },
  CLUSTER_CONFIG_TOO_LARGE: {
    kind: "fatal",
    summary: "the configuration does not fit into a node of ZooKeeper",
    remedy: "move certificates and lists into files, ${file:...}, or split it over two clusters",
  },
  CLUSTER_CONFIG_NONE: {
    kind: "retry",
    summary: "no configuration was pushed to the cluster yet",
    remedy: "dbc config push FILE --cluster SERVERS; dbusd goes on by itself then",
  },
  SECRET_IN_CLEAR: {
    kind: "fatal",
    summary: "a secret stands in a configuration that everybody in the cluster can read",
    remedy: "put a reference there: ${NAME} or ${file:/run/secrets/name}",
  },
  // Kafka.
  KAFKA_UNREACHABLE: {
    kind: "retry",
    summary: "no Kafka broker of the list answers",
    remedy: "check the host and port in brokers; it is tried again for ever",
  },
  KAFKA_REQUEST_FAILED: {
    kind: "retry",
    summary: "a Kafka broker broke off or refused a request that may succeed later",
    remedy: "nothing: it is tried again in the same order",
  },
  KAFKA_NOT_LEADER: {
    kind: "retry",
    summary: "the partition has moved to another broker, or has no leader now",
    remedy: "nothing: the metadata is read anew and the records are sent again",
  },
  KAFKA_STORAGE: {
    kind: "retry",
    summary: "a broker cannot use a disk of its own: it is full, or has failed",
    remedy: "make room or replace the disk, then restart the broker; the records wait in order",
  },
  KAFKA_NOT_ENOUGH_REPLICAS: {
    kind: "retry",
    summary: "fewer replicas are in sync than min.insync.replicas asks for",
    remedy: "bring the missing brokers back; the records wait in order until then",
  },
  KAFKA_SEQUENCE_LOST: {
    kind: "retry",
    summary: "the broker lost track of this producer's sequence numbers",
    remedy: "nothing: the unacknowledged records are sent again under a new epoch",
  },
  KAFKA_LOOP: {
    kind: "fatal",
    summary:
      "records would be written to the topic that they are read from, and read again for ever",
    remedy: "name the other cluster in brokers, or another topic",
  },
  KAFKA_FENCED: {
    kind: "fence",
    summary: "another process writes under the transactional id of this one",
    remedy:
      "nothing, where the other one is to go on; else stop it, or give one of them another " +
      "transactionalIdPrefix, then restart this one",
  },
  KAFKA_TRANSACTION_UNSURE: {
    kind: "retry",
    summary: "whether a transaction was committed is not known",
    remedy: "nothing: the position that was committed is read, and what is behind it written again",
  },
  KAFKA_TRANSACTION_REFUSED: {
    kind: "fatal",
    summary: "the brokers refuse transactions of this id, or of this timeout",
    remedy:
      "allow the user Write and Describe on the transactional id that is named; " +
      "exactlyOnce.timeoutMs must not exceed the brokers' transaction.max.timeout.ms",
  },
  KAFKA_AUTH: {
    kind: "fatal",
    summary: "Kafka refused the SASL login",
    remedy: "check sasl.mechanism, sasl.username and sasl.password against the broker's",
  },
  KAFKA_TLS: {
    kind: "fatal",
    summary: "the TLS connection to Kafka cannot be trusted or made",
    remedy: "check tls.ca and the host name in the broker's certificate",
  },
  KAFKA_TOPIC_MISSING: {
    kind: "retry",
    summary: "the topic does not exist and may not be created",
    remedy: "create the topic, mend its name, or let KafkaOutput make it (createTopics)",
  },
  KAFKA_TOPIC_DENIED: {
    kind: "retry",
    summary: "the broker's access rules forbid what was asked of the topic",
    remedy:
      "grant WRITE (to read it, READ) and DESCRIBE on the topic to this user, CREATE to create it",
  },
  KAFKA_TOPIC_INVALID: {
    kind: "fatal",
    summary: "Kafka cannot take a topic of that name or layout",
    remedy: "mend the topic template or createTopics",
  },
  KAFKA_TOPIC_COLLISION: {
    kind: "fatal",
    summary: "two sources have topic names that Kafka cannot tell apart",
    remedy: "give one of them an output of its own with another topic template",
  },
  KAFKA_RECORD_TOO_LARGE: {
    kind: "fatal",
    summary: "a record is larger than the topic accepts",
    remedy: "raise max.message.bytes of the topic and recordBytesMax, then redrive it",
  },
  KAFKA_RECORD_REJECTED: {
    kind: "fatal",
    summary: "the broker refused a record for good",
    remedy: "see the reason; a compacted topic takes no record without a key",
  },
  KAFKA_OFFSET_OUT_OF_RANGE: {
    kind: "fatal",
    summary: "the partition does not have the offset that was to be read",
    remedy:
      "set onPositionLost: earliest | latest (the gap is written down), or dbc checkpoint set",
  },
  KAFKA_RECORD_CORRUPT: {
    kind: "fatal",
    summary: "a batch of records that was read is damaged",
    remedy:
      "look at it with kafka-dump-log on the broker; onCorrupt: deadletter goes on behind it and " +
      "notes where it is",
  },
  KAFKA_VALUE_INVALID: {
    kind: "fatal",
    summary: "the value of a record is not in the format that the config says",
    remedy: "mend its producer, or set format: bytes to take values as they are",
  },
  KAFKA_REBALANCED: {
    kind: "retry",
    summary: "the consumer group has moved on without this member",
    remedy: "nothing: it joins again; raise sessionTimeoutMs if it happens often",
  },
  KAFKA_GROUP_DENIED: {
    kind: "fatal",
    summary: "the broker's access rules forbid the consumer group",
    remedy: "grant READ on the group to this user",
  },
  KAFKA_GROUP_REFUSED: {
    kind: "fatal",
    summary: "the consumer group does not take this member",
    remedy:
      "see the reason: its other members must use cooperative-sticky too, and sessionTimeoutMs " +
      "must lie between group.min.session.timeout.ms and group.max.session.timeout.ms",
  },
  KAFKA_UNSUPPORTED: {
    kind: "fatal",
    summary: "the Kafka broker does not support what was asked",
    remedy: "use Kafka 1.0 or newer (2.1 for zstd, 2.3 for consumer groups), or another setting",
  },
  // Elasticsearch.
  ES_UNREACHABLE: {
    kind: "retry",
    summary: "no Elasticsearch node of the list answers",
    remedy: "check the addresses in nodes; it is tried again for ever",
  },
  ES_UNAVAILABLE: {
    kind: "retry",
    summary: "Elasticsearch cannot do what was asked now",
    remedy: "look at _cluster/health: a shard may be red; it is tried again for ever",
  },
  ES_BUSY: {
    kind: "retry",
    summary: "Elasticsearch has more to write than it takes",
    remedy: "nothing: what it refused is sent again, less at a time; add nodes if it stays",
  },
  ES_INDEX_BLOCKED: {
    kind: "retry",
    summary: "the index takes no writes now: it is read-only, or a disk is nearly full",
    remedy:
      "free space on the node, then set index.blocks.read_only_allow_delete of the index to null; " +
      "the documents wait in order",
  },
  ES_INDEX_MISSING: {
    kind: "retry",
    summary: "the index does not exist and may not be created",
    remedy: "create the index, or leave createIndices out",
  },
  ES_INDEX_INVALID: {
    kind: "fatal",
    summary: "Elasticsearch cannot take an index of that name or layout",
    remedy: "mend the index template or createIndices",
  },
  ES_INDEX_UNSUITABLE: {
    kind: "fatal",
    summary: "the name is a data stream, or an alias of several indices",
    remedy: "write to an index, or to an alias of one: a row must be found again by its id",
  },
  ES_INDEX_COLLISION: {
    kind: "fatal",
    summary: "two tables have the same index, where their ids would be the same",
    remedy: "write ${tbl} into the index template, or an id template that tells them apart",
  },
  ES_AUTH: {
    kind: "fatal",
    summary: "Elasticsearch refused the login",
    remedy: "check auth: the API key, or user and password",
  },
  ES_DENIED: {
    kind: "retry",
    summary: "this login may not do what was asked",
    remedy:
      "grant create_index, index, delete and view_index_metadata on the indices, and read, index " +
      "and create_index on lineageIndex",
  },
  ES_TLS: {
    kind: "fatal",
    summary: "the TLS connection to Elasticsearch cannot be trusted or made",
    remedy: "check tls.ca and the host name in the node's certificate",
  },
  ES_NOT_ELASTICSEARCH: {
    kind: "fatal",
    summary: "what answers is no Elasticsearch 8 or 9",
    remedy: "check the addresses in nodes: OpenSearch and proxies that log in are something else",
  },
  ES_ADDRESS_REFUSED: {
    kind: "fatal",
    summary: "the address of a node is one where a cloud keeps its credentials",
    remedy: "name the address of an Elasticsearch node, which is never link-local",
  },
  ES_TOO_LARGE: {
    kind: "fatal",
    summary: "a document is larger than Elasticsearch takes in one request",
    remedy:
      "raise http.max_content_length of the nodes (or the limit of the proxy), then redrive it",
  },
  ES_DOCUMENT_REJECTED: {
    kind: "fatal",
    summary: "Elasticsearch refused a document for good",
    remedy:
      "see the reason; mend the mapping of the index or the row, then redrive it. A JSON column of " +
      "many shapes: json: text, or map it as {type: flattened}",
  },
  ES_REQUEST_REFUSED: {
    kind: "fatal",
    summary: "Elasticsearch refused a request for good",
    remedy: "see the reason",
  },
  ES_ROW_PARTIAL: {
    kind: "fatal",
    summary: "a row does not carry all of its columns, so it is no whole document",
    remedy: "SET GLOBAL binlog_row_image = FULL, then write the row once more at its source",
  },
  ES_LINEAGES_EXHAUSTED: {
    kind: "fatal",
    summary: "the versions of an index have been through 127 servers, or resets of one",
    remedy:
      "index the tables anew under another name; the rows wait until then. Two sources with the " +
      "same ids in one index use lineages up: give each its own",
  },
  ES_ORDER_UNKNOWN: {
    kind: "fatal",
    summary: "a document was last written from another partition, so nobody knows which is newer",
    remedy: "after a topic has grown, index it anew under another name, or set versions: none",
  },
  // Formats.
  FORMAT_TEMPLATE: {
    kind: "fatal",
    summary: "a template names a column that the row does not have, or that is null",
    remedy: "mend the template of the output, then redrive it",
  },
  FORMAT_KEY_MISSING: {
    kind: "fatal",
    summary: "a row does not carry the columns of its key",
    remedy: "mend keyColumns, or set binlog_row_image=FULL on the server",
  },
  FORMAT_VALUE: {
    kind: "fatal",
    summary: "a value cannot be written in this format without loss",
    remedy: "look at the packet in the dead letters; choose another format or filter the column",
  },
  // Streams: files, pipes, sockets, commands.
  STREAM_UNREADABLE: {
    kind: "retry",
    summary: "the file, pipe or stream cannot be read now",
    remedy: "check the path and its permissions; it is tried again by itself",
  },
  STREAM_UNWRITABLE: {
    kind: "retry",
    summary: "the file or stream cannot be written now",
    remedy: "check the path, its permissions and the free space; it is tried again by itself",
  },
  STREAM_UNREACHABLE: {
    kind: "retry",
    summary: "the TCP peer cannot be reached, or ended the connection",
    remedy: "check host and port, and that the peer runs; it is tried again by itself",
  },
  STREAM_LISTEN: {
    kind: "retry",
    summary: "the address to listen on cannot be taken",
    remedy: "free the port, or name another one",
  },
  STREAM_COMMAND: {
    kind: "retry",
    summary: "the command cannot be started, or has failed",
    remedy: "run it by hand to see why; it is started again by itself",
  },
  STREAM_TARGET_SHARED: {
    kind: "fatal",
    summary: "two outputs would write to the same file",
    remedy: "give each output a file of its own",
  },
  STREAM_LINE_TOO_LONG: {
    kind: "fatal",
    summary: "a line is longer than the limit",
    remedy: "raise lineBytesMax, or set onInvalid: bytes to take it in parts",
  },
  STREAM_LINE_TORN: {
    kind: "fatal",
    summary: "the stream broke off in the middle of a line",
    remedy: "look at the sender; set onInvalid: bytes to take what there is",
  },
  STREAM_TEXT_INVALID: {
    kind: "fatal",
    summary: "a line is not valid UTF-8",
    remedy: "mend the sender, or set onInvalid: bytes to take the line as bytes",
  },
  STREAM_JSON_INVALID: {
    kind: "fatal",
    summary: "a line is not valid JSON",
    remedy: "mend the sender, or set onInvalid: bytes to take the line as bytes",
  },
  // The HTTP input.
  HTTP_LISTEN: {
    kind: "retry",
    summary: "the HTTP input cannot listen on its address",
    remedy: "free the port, or name another one",
  },
  HTTP_UNSAFE: {
    kind: "fatal",
    summary: "the HTTP input would take packets from other machines without a token or TLS",
    remedy: "listen on 127.0.0.1, or set token and tls",
  },
  HTTP_BUSY: {
    kind: "retry",
    summary: "the HTTP input takes nothing now: the bus has no room, or it is stopping",
    remedy: "send the request again after as many seconds as Retry-After says",
  },
  HTTP_UNSETTLED: {
    kind: "retry",
    summary: "the outputs have not acked the packets of a request in time",
    remedy: "send the request again: its packets may arrive twice, but are not lost",
  },
} as const satisfies Record<string, Entry>;

export type ErrorCode = keyof typeof table;

/** Every code with its kind, summary and remedy. */
export const errorTable: Readonly<Record<ErrorCode, Entry>> = table;

/** Where an error is: a file with line and column, a config path, an actor, a position. */
export type Place = {
  readonly file?: string | undefined;
  readonly line?: number | undefined;
  readonly column?: number | undefined;
  readonly path?: string | undefined;
};

/** One thing that is wrong with a configuration, where it is, and what would be right. */
export type Problem = {
  readonly severity: "error" | "warning";
  readonly code: ErrorCode;
  readonly message: string;
  readonly place: Place;
  readonly remedy: string;
};

export type DbusErrorOptions = {
  readonly cause?: unknown;
  readonly place?: Place;
  /** All that is wrong, where it is several things; the message tells them too. */
  readonly problems?: readonly Problem[];
  /** Overrides the table's remedy when a better one is known, e.g. the exact SQL statement. */
  readonly remedy?: string;
};

/** The only error that crosses a module border. Its message never contains a secret or row data. */
export class DbusError extends Error {
  readonly code: ErrorCode;
  readonly place: Place | undefined;
  readonly problems: readonly Problem[] | undefined;
  readonly remedy: string;

  constructor(code: ErrorCode, message: string, options: DbusErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "DbusError";
    this.code = code;
    this.place = options.place;
    this.problems = options.problems;
    this.remedy = options.remedy ?? table[code].remedy;
  }

  get kind(): ErrorKind {
    return table[this.code].kind;
  }

  toJSON(): {
    code: ErrorCode;
    kind: ErrorKind;
    message: string;
    place?: Place;
    problems?: readonly Problem[];
    remedy: string;
  } {
    const { code, kind, message, place, problems, remedy } = this;
    return {
      code,
      kind,
      message,
      ...(place ? { place } : {}),
      ...(problems ? { problems } : {}),
      remedy,
    };
  }
}

/** Turns whatever was thrown into a `DbusError`; what has no code of its own is `INTERNAL`. */
export function toDbusError(thrown: unknown, code: ErrorCode = "INTERNAL"): DbusError {
  if (thrown instanceof DbusError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new DbusError(code, message, { cause: thrown });
}
