-- Times are microseconds since 1970, UTC. Rows of results are written once and never changed.

CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Counts up with everything that may change what an agent is told.
INSERT INTO meta (name, value) VALUES ('revision', 1);

CREATE TABLE agents (
    id           TEXT NOT NULL PRIMARY KEY,
    group_name   TEXT,
    labels       TEXT NOT NULL,
    created_us   INTEGER NOT NULL,
    last_seen_us INTEGER,
    serial       TEXT NOT NULL,
    not_after_us INTEGER NOT NULL,
    revoked_us   INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX agents_by_group ON agents (group_name);

CREATE TABLE tokens (
    hash       BLOB NOT NULL PRIMARY KEY,
    agent      TEXT,
    group_name TEXT,
    labels     TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    expires_us INTEGER NOT NULL,
    used_us    INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE instructions (
    id           TEXT NOT NULL PRIMARY KEY,
    document     TEXT NOT NULL,
    for_all      INTEGER NOT NULL,
    created_us   INTEGER NOT NULL,
    cancelled_us INTEGER
) STRICT;

CREATE TABLE audiences (
    instruction TEXT NOT NULL REFERENCES instructions (id),
    kind        TEXT NOT NULL CHECK (kind IN ('agent', 'group')),
    name        TEXT NOT NULL,
    PRIMARY KEY (instruction, kind, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE capabilities (
    agent       TEXT NOT NULL PRIMARY KEY REFERENCES agents (id),
    document    TEXT NOT NULL,
    received_us INTEGER NOT NULL
) STRICT;

CREATE TABLE results (
    id            BLOB NOT NULL PRIMARY KEY,
    agent         TEXT NOT NULL,
    instruction   TEXT,
    task          TEXT,
    method        TEXT,
    status        TEXT NOT NULL,
    start_us      INTEGER,
    received_us   INTEGER NOT NULL,
    clock_suspect INTEGER NOT NULL,
    target        TEXT,
    ping_type     TEXT,
    destination   TEXT,
    sent          INTEGER,
    received      INTEGER,
    loss_ppm      INTEGER,
    rtt_median_us INTEGER,
    rtt_min_us    INTEGER,
    rtt_max_us    INTEGER,
    -- Every round-trip time, four bytes each, little-endian, microseconds.
    rtts_us       BLOB,
    document      TEXT NOT NULL
) STRICT;

CREATE INDEX results_by_method ON results (method, start_us);
CREATE INDEX results_by_agent ON results (agent, start_us);
