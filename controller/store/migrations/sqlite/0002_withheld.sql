-- Agents that an instruction covers and that are not told of it, since its targets would get too much.
-- A released row stays: the agent was told first when it was released.
CREATE TABLE withheld (
    instruction TEXT NOT NULL REFERENCES instructions (id),
    agent       TEXT NOT NULL REFERENCES agents (id),
    target      TEXT NOT NULL,
    reason      TEXT NOT NULL,
    at_us       INTEGER NOT NULL,
    released_us INTEGER,
    PRIMARY KEY (instruction, agent)
) STRICT, WITHOUT ROWID;

CREATE INDEX withheld_by_agent ON withheld (agent);

-- Every enrolment counts the fleet: from the index alone.
DROP INDEX agents_by_group;
CREATE INDEX agents_in_force ON agents (revoked_us, group_name, created_us);
