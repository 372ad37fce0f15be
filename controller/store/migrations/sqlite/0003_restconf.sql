-- What is known of an agent's RESTCONF datastore, and what became of what was written for it.
CREATE TABLE datastores (
    agent       TEXT NOT NULL PRIMARY KEY REFERENCES agents (id),
    module_set  TEXT,
    version     TEXT,
    address     TEXT,
    -- The whole datastore as JSON of RFC 7951, and when it was read.
    tree        TEXT,
    known_us    INTEGER,
    outcome     TEXT NOT NULL DEFAULT 'none'
                CHECK (outcome IN ('none', 'pending', 'delivered', 'refused')),
    written_us  INTEGER,
    answered_us INTEGER,
    errors      TEXT NOT NULL DEFAULT '[]'
) STRICT;

-- Edits of many agents.
CREATE TABLE jobs (
    id         INTEGER PRIMARY KEY,
    patch_id   TEXT NOT NULL,
    operator   TEXT NOT NULL,
    request    TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    ended_us   INTEGER
) STRICT;

CREATE TABLE job_agents (
    job         INTEGER NOT NULL REFERENCES jobs (id),
    agent       TEXT NOT NULL REFERENCES agents (id),
    outcome     TEXT NOT NULL
                CHECK (outcome IN ('pending', 'delivered', 'refused', 'withheld', 'cancelled')),
    attempts    INTEGER NOT NULL DEFAULT 0,
    answered_us INTEGER,
    errors      TEXT NOT NULL DEFAULT '[]',
    PRIMARY KEY (job, agent)
) STRICT, WITHOUT ROWID;

-- Edits that wait for their agents, in their order.
CREATE TABLE edits (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    agent      TEXT NOT NULL REFERENCES agents (id),
    job        INTEGER REFERENCES jobs (id),
    operator   TEXT NOT NULL,
    request    TEXT NOT NULL,
    written_us INTEGER NOT NULL
) STRICT;

CREATE INDEX edits_by_agent ON edits (agent, id);
CREATE INDEX edits_by_job ON edits (job);

-- What agents send by their own configuration, as instructions: it counts beside those that are given.
CREATE TABLE loads (
    agent    TEXT NOT NULL REFERENCES agents (id),
    document TEXT NOT NULL,
    given_us INTEGER NOT NULL,
    -- Set for what ran once at somebody's word: a new configuration does not take it back.
    once     INTEGER NOT NULL
) STRICT;

CREATE INDEX loads_by_agent ON loads (agent);

-- Reports as they came, before anything was read in them.
CREATE TABLE reports (
    id          INTEGER PRIMARY KEY,
    agent       TEXT NOT NULL,
    received_us INTEGER NOT NULL,
    media_type  TEXT NOT NULL,
    body        BLOB NOT NULL
) STRICT;

CREATE INDEX reports_by_agent ON reports (agent, received_us);
