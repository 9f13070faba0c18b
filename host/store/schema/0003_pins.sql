-- Models that an operator wants in a machine's memory, whatever comes.
CREATE TABLE pins (
    node BLOB NOT NULL REFERENCES nodes (id) ON DELETE CASCADE,
    model TEXT NOT NULL,
    PRIMARY KEY (node, model)
) STRICT, WITHOUT ROWID;
