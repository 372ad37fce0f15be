-- What is known of an agent's RESTCONF datastore, and what became of what was written for it.
CREATE TABLE datastores (
    agent       TEXT NOT NULL PRIMARY KEY REFERENCES agents (id),
    module_set  TEXT,
    version     TEXT,
    address     TEXT,
    -- When its tree was read.
    known_us    INTEGER,
    -- Of the tree: what is the same is not written again.
    digest      INTEGER,
    -- As whom its tree has it report.
    agent_id    TEXT,
    group_id    TEXT,
    -- The newest of the edits that it has taken.
    delivered   INTEGER,
    outcome     TEXT NOT NULL DEFAULT 'none'
                CHECK (outcome IN ('none', 'pending', 'delivered', 'refused')),
    written_us  INTEGER,
    answered_us INTEGER,
    errors      TEXT NOT NULL DEFAULT '[]',
    -- The whole datastore as JSON of RFC 7951: last, since what stands behind a long value is read through it.
    tree        TEXT
) STRICT;

-- Edits of many agents.
CREATE TABLE jobs (
    id         INTEGER PRIMARY KEY,
    patch_id   TEXT NOT NULL,
    operator   TEXT NOT NULL,
    -- Length of the request, and how many agents it is for.
    bytes      INTEGER NOT NULL,
    reach      INTEGER NOT NULL,
    created_us INTEGER NOT NULL,
    ended_us   INTEGER,
    request    TEXT NOT NULL
) STRICT;

CREATE INDEX jobs_under_way ON jobs (operator) WHERE ended_us IS NULL;

CREATE TABLE job_agents (
    job         INTEGER NOT NULL REFERENCES jobs (id),
    agent       TEXT NOT NULL REFERENCES agents (id),
    outcome     TEXT NOT NULL
                CHECK (outcome IN ('pending', 'delivered', 'refused', 'withheld', 'cancelled')),
    attempts    INTEGER NOT NULL DEFAULT 0,
    answered_us INTEGER,
    errors      TEXT NOT NULL DEFAULT '[]',
    -- The edit by which the agent is, or was last, asked; where it was not, the newest of all then.
    edit        INTEGER NOT NULL,
    PRIMARY KEY (job, agent)
) STRICT, WITHOUT ROWID;

-- Edits that wait for their agents, in their order.
CREATE TABLE edits (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    agent      TEXT NOT NULL REFERENCES agents (id),
    job        INTEGER REFERENCES jobs (id),
    operator   TEXT NOT NULL,
    bytes      INTEGER NOT NULL,
    written_us INTEGER NOT NULL,
    -- Missing for an edit of a job: it is the job's.
    request    TEXT,
    CHECK ((job IS NULL) <> (request IS NULL))
) STRICT;

CREATE INDEX edits_by_agent ON edits (agent, id);
CREATE INDEX edits_by_job ON edits (job);

-- What agents send by their own configuration, as instructions, as far as it was let pass here: it counts beside those that
-- are given.
CREATE TABLE loads (
    agent    TEXT NOT NULL REFERENCES agents (id),
    document TEXT NOT NULL,
    given_us INTEGER NOT NULL,
    -- Set for what ran once, at somebody's word or before it was taken away: a new configuration does not take it back.
    once     INTEGER NOT NULL
) STRICT;

CREATE INDEX loads_by_agent ON loads (agent);

-- What counts of agents' configurations that nobody here has let pass: no more than an agent's part. Millionths of runs per hour
-- and of packets per second.
CREATE TABLE foreign_loads (
    agent   TEXT NOT NULL REFERENCES agents (id),
    target  TEXT NOT NULL,
    runs    INTEGER NOT NULL,
    packets INTEGER NOT NULL,
    PRIMARY KEY (target, agent)
) STRICT, WITHOUT ROWID;

CREATE INDEX foreign_loads_by_agent ON foreign_loads (agent);

-- Reports as they came, before anything was read in them.
CREATE TABLE reports (
    id          INTEGER PRIMARY KEY,
    agent       TEXT NOT NULL,
    received_us INTEGER NOT NULL,
    media_type  TEXT NOT NULL,
    -- Of the body: it is stored as it was sent.
    coding      TEXT NOT NULL CHECK (coding IN ('identity', 'gzip')),
    body        BLOB NOT NULL
) STRICT;

CREATE INDEX reports_by_agent ON reports (agent, received_us);
