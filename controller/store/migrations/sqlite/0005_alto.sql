-- What a result has measured of what is published, and its circumstances: missing where that is nothing. Pings from before have their
-- figures in rtts_us, ping_type and loss_ppm; rtts_us is no longer written.
ALTER TABLE results ADD COLUMN measured BLOB;

-- What the address of an agent's upload says of its place: labels where the operator gave none. The address is not kept.
ALTER TABLE agents ADD COLUMN found TEXT;

-- Who was published with whom, as the publisher keeps it.
CREATE TABLE alto_ledgers (
    name     TEXT NOT NULL PRIMARY KEY,
    -- Counts up with every publication: of two publishers at once, one is refused.
    revision INTEGER NOT NULL,
    ledger   BLOB NOT NULL
) STRICT;

-- What was published of each window, in its newest version.
CREATE TABLE alto_publics (
    name     TEXT NOT NULL REFERENCES alto_ledgers (name),
    span     TEXT NOT NULL,
    start_us INTEGER NOT NULL,
    end_us   INTEGER NOT NULL,
    version  INTEGER NOT NULL,
    document BLOB NOT NULL,
    PRIMARY KEY (name, span, start_us, end_us)
) STRICT;
